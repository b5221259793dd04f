import type { Api, Job, PlaySession, ShowingEvent } from "../api";
import { ApiError, sentence } from "../http";
import { isOnTheWay, isWatchable } from "../jobs.svelte";
import { thisBrowsersCodecs } from "./capabilities";
import type { Captions } from "./captions.svelte";
import { cannot, gone, LOST_LINE, NO_DECODER, NO_PICTURE, type Trouble } from "./faults";
import { openSource, type Source, type SoundTrack, type SourceEvents } from "./source";
import { isSilent, PictureWatch, type SoundSigns } from "./watchdog";

const FIRST_WAIT_MS = 250;
const LONGEST_WAIT_MS = 4_000;
const FIRST_PATIENCE_MS = 4_000;
const REOPENINGS = 4;
const SOUND_AFTER_S = 3;
const LONG_STALL_MS = 500;

/** One film on this page's screen: gets it an address, keeps it playing, and says what is wrong if it can't. */
export class Showing {
  session = $state.raw<PlaySession | null>(null);
  trouble = $state.raw<Trouble | null>(null);
  /** The download that fed the player has ended; another one will bring the rest, or the job says why not. */
  isWaiting = $state(false);
  needsPress = $state(false);
  isSilenced = $state(false);
  hasNoSound = $state(false);
  sounds = $state.raw<readonly SoundTrack[]>([]);
  sound = $state(-1);

  readonly texts = $derived((this.session?.media?.texts ?? []).filter(({ kind }) => kind === "text" || kind === "ass"));
  readonly chapters = $derived(this.session?.media?.chapters ?? []);
  /** What is worth knowing of the way it comes; that a file plays as it is goes without saying. */
  readonly reasons = $derived.by(() => {
    const plan = this.session?.plan;
    return plan?.way === "as_is" ? plan.reasons.slice(1) : (plan?.reasons ?? []);
  });

  #source: Source | null = null;
  #turn = 0;
  #isEarly = false;
  #waitMs = FIRST_WAIT_MS;
  #reopenings = 0;
  // An early film may fall silent at the moment its download ends: then its address is asked for anew.
  #patienceMs = FIRST_PATIENCE_MS;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #watchdog: ReturnType<typeof setTimeout> | undefined;
  #resumeAtS: number;
  #isHeld = false;
  #text: number | null = null;
  #picture = new PictureWatch();
  #openedAtMs = 0;
  #stalledAtMs: number | null = null;
  #heardFromS: number | null = null;

  constructor(
    readonly api: Api,
    readonly job: () => Job,
    readonly video: HTMLVideoElement,
    readonly captions: Pick<Captions, "hear" | "fail">,
    startAtS: number,
  ) {
    this.#resumeAtS = startAtS;
  }

  /** Opens the film, or opens it again where it is. */
  async open(): Promise<void> {
    const turn = this.#nextTurn();
    this.#rememberPlace();
    this.trouble = null;
    const wasEarly = (this.#isEarly = this.job().status !== "ready");
    this.#openedAtMs = performance.now();
    try {
      const session = wasEarly && !isWatchable(this.job()) ? null : await this.#start();
      if (turn !== this.#turn) return;
      if (!session) return this.#later();
      await this.#play(session, turn);
    } catch (error) {
      if (turn !== this.#turn) return;
      // As long as the film is on its way there is nothing to do but to try again.
      if (wasEarly && isOnTheWay(this.job())) return this.#later();
      this.#giveUp(this.#troubleOf(error));
    }
  }

  close(): void {
    this.#nextTurn();
    this.video.pause();
    this.#source?.stop();
    this.#source = null;
  }

  chooseSound(number: number): void {
    this.#source?.chooseSound(number);
    this.sound = number;
  }

  chooseText(number: number | null): void {
    this.#text = number;
    this.#source?.chooseText(number);
  }

  press(): void {
    this.needsPress = false;
    void this.video.play().catch(() => undefined);
  }

  unmute(): void {
    this.video.muted = false;
    this.isSilenced = false;
  }

  // What the video element says -----------------------------------------------------------------------------

  /** A film that opens by itself may lack the browser's leave to make a sound, or to play at all. */
  async loaded(): Promise<void> {
    if (this.#resumeAtS > 0) this.video.currentTime = this.#resumeAtS;
    this.#resumeAtS = 0;
    if (this.#isHeld || (await this.#plays())) return;
    if (!this.video.isConnected) return;
    this.video.muted = true;
    this.isSilenced = await this.#plays();
    if (this.isSilenced) return;
    this.video.muted = false;
    this.needsPress = true;
  }

  /** Somebody has stopped it, and it stays so; trouble stops it too, and that is not what anybody wanted. */
  paused(): void {
    this.#isHeld = !this.trouble && !this.isWaiting && !this.video.ended;
  }

  played(): void {
    this.needsPress = false;
    this.#isHeld = false;
  }

  playing(): void {
    this.#waitMs = FIRST_WAIT_MS;
    this.#reopenings = 0;
    this.#picture.restart();
    this.#heardFromS = null;
    if (this.#openedAtMs > 0) this.#tell("first_frame", performance.now() - this.#openedAtMs);
    this.#openedAtMs = 0;
    const stalledMs = this.#stalledAtMs === null ? 0 : performance.now() - this.#stalledAtMs;
    if (stalledMs > LONG_STALL_MS) this.#tell("buffering", stalledMs);
    this.#stalledAtMs = null;
  }

  stalled(): void {
    this.#picture.restart();
    this.#heardFromS = null;
    // The wait for the first picture is told as such.
    if (this.#openedAtMs === 0) this.#stalledAtMs ??= performance.now();
  }

  /** A moment of the film has passed. */
  passed(): void {
    // A page that nobody sees draws nothing, and that is no fault.
    if (this.trouble || document.hidden || this.video.paused || this.video.seeking) return;
    this.#checkPicture();
    this.#checkSound();
  }

  muteChanged(): void {
    this.isSilenced &&= this.video.muted;
  }

  /** The video element gave up. */
  async broke(): Promise<void> {
    if (!this.session || !this.#source || this.#source.guardsVideo) return;
    const code = this.video.error?.code;
    const neverStarted = !this.video.videoWidth;
    const lostLine = code === MediaError.MEDIA_ERR_NETWORK || (!neverStarted && code !== MediaError.MEDIA_ERR_DECODE);
    const turn = this.#turn;
    const isLost = lostLine || !(await this.api.leadsToFilm(this.session.streamUrl));
    if (turn === this.#turn) this.#failed(isLost ? "line" : "decoder");
  }

  // Inside --------------------------------------------------------------------------------------------------

  #nextTurn(): number {
    clearTimeout(this.#timer);
    clearTimeout(this.#watchdog);
    return ++this.#turn;
  }

  /** A player that was given nothing to play has forgotten where it was. */
  #rememberPlace(): void {
    if (this.video.currentTime > 0) this.#resumeAtS = this.video.currentTime;
  }

  /** Null if the film doesn't play in this moment. */
  async #start(): Promise<PlaySession | null> {
    const session = await this.api.startSession(this.job().job_id, thisBrowsersCodecs());
    return session.playable || session.plan?.way === "cannot" ? session : null;
  }

  async #play(session: PlaySession, turn: number): Promise<void> {
    this.#source?.stop();
    this.#source = null;
    this.session = session;
    this.isWaiting = false;
    if (session.plan?.way === "cannot") return this.#giveUp(cannot(session.plan.reasons));
    this.#picture.forget();
    this.hasNoSound = false;
    this.sounds = [];
    const isWanted = () => turn === this.#turn;
    this.#source = await openSource(this.video, session, this.#resumeAtS, this.#events(turn), isWanted);
    this.#source?.chooseText(this.#text);
    if (session.mode !== "hls") this.#watch();
  }

  #events(turn: number): SourceEvents {
    const isMine = () => turn === this.#turn;
    return {
      sounds: (tracks, chosen) => {
        if (!isMine()) return;
        this.sounds = tracks;
        this.sound = chosen;
      },
      cues: (text, cues) => isMine() && this.captions.hear(text, cues),
      textFault: () => isMine() && this.captions.fail(),
      fault: (fault) => isMine() && this.#failed(fault),
      recovered: () => {
        this.#rememberPlace();
        this.#tell("fallback");
      },
    };
  }

  #watch(): void {
    if (!this.#isEarly) return;
    this.#watchdog = setTimeout(() => {
      if (this.video.readyState < HTMLMediaElement.HAVE_CURRENT_DATA) void this.open();
    }, this.#patienceMs);
    this.#patienceMs *= 2;
  }

  #failed(fault: "line" | "decoder"): void {
    this.#tell("error");
    if (fault === "decoder") return this.#giveUp(NO_DECODER);
    if (this.#isEarly) return this.#later();
    this.#reopenings += 1;
    if (this.#reopenings <= REOPENINGS) return this.#later();
    this.#giveUp(LOST_LINE);
  }

  #later(): void {
    this.#nextTurn();
    this.isWaiting = true;
    this.#timer = setTimeout(() => {
      const job = this.job();
      if (job.status === "error") this.#giveUp({ text: failure(job), remedy: "choose" });
      else void this.open();
    }, this.#waitMs);
    this.#waitMs = Math.min(this.#waitMs * 2, LONGEST_WAIT_MS);
  }

  #giveUp(trouble: Trouble): void {
    this.isWaiting = false;
    this.trouble = trouble;
    this.video.pause();
  }

  #troubleOf(error: unknown): Trouble {
    const job = this.job();
    if (job.status === "error") return { text: failure(job), remedy: "choose" };
    if (error instanceof ApiError && error.status === 404) return gone(error.message);
    return { text: sentence(error), remedy: "retry" };
  }

  async #plays(): Promise<boolean> {
    try {
      await this.video.play();
      return true;
    } catch {
      return false;
    }
  }

  #checkPicture(): void {
    if (this.session?.media && !this.session.media.video) return;
    const { currentTime: timeS, videoWidth: widthPx } = this.video;
    const frames = this.video.getVideoPlaybackQuality().totalVideoFrames;
    if (this.#picture.see({ timeS, widthPx, frames }) !== "no_picture") return;
    this.#tell("error");
    this.#giveUp(NO_PICTURE);
  }

  #checkSound(): void {
    if (!this.session?.media?.sounds?.length) return;
    this.#heardFromS ??= this.video.currentTime;
    if (this.video.currentTime - this.#heardFromS < SOUND_AFTER_S) return;
    this.hasNoSound = isSilent(this.video as SoundSigns);
  }

  #tell(kind: ShowingEvent, valueMs?: number): void {
    // Gateways that don't plan (no `mode`) don't take events either.
    if (this.session?.mode) this.api.tell(this.session.sessionId, kind, valueMs);
  }
}

function failure(job: Job): string {
  return job.error_message ?? "The film could not be fetched.";
}
