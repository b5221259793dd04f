const AWAKE_MS = 3_000;

/** Whether somebody is there: the controls go when nobody has moved for a while. */
export class Awake {
  isAwake = $state(true);
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** `mustStay`: they stay as long as this holds. */
  constructor(readonly mustStay: () => boolean) {}

  stir(): void {
    this.isAwake = true;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.doze(), AWAKE_MS);
  }

  doze(): void {
    if (this.mustStay()) this.stir();
    else this.isAwake = false;
  }

  stop(): void {
    clearTimeout(this.#timer);
  }
}
