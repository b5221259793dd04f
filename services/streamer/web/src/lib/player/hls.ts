import type Hls from "hls.js";
import type { CuesParsedData, ErrorData, HlsConfig, LoaderConfig, LoadPolicy, MediaPlaylist } from "hls.js";
import type { Source, SourceEvents } from "./source";

const FORWARD_S = 60;
const FORWARD_BYTES = 60_000_000;
const BACKWARD_S = 30;
/** Lost articles are mended before the bytes that need them come. */
const FIRST_BYTE_MS = 30_000;
const WHOLE_MS = 120_000;
const TRIES = 6;
const TEXT_TRIES = 6;
const RECOVERIES = 2;
const RECOVERED_FOR_MS = 20_000;
/** `NetworkErrorAction.RetryRequest`, which hls.js declares as a type alone. */
const RETRY = 5;

// A connection that breaks off (status 0) is one that is tried again, as an answer of 5xx is; 4xx is final.
const patient: LoaderConfig = {
  maxTimeToFirstByteMs: FIRST_BYTE_MS,
  maxLoadTimeMs: WHOLE_MS,
  timeoutRetry: { maxNumRetry: 2, retryDelayMs: 0, maxRetryDelayMs: 0 },
  errorRetry: {
    maxNumRetry: TRIES,
    retryDelayMs: 500,
    maxRetryDelayMs: 4000,
    shouldRetry: (retry, count, _isTimeout, response, usual) =>
      count < (retry?.maxNumRetry ?? 0) && (usual || !response?.code),
  },
};
const policy: LoadPolicy = { default: patient };

const CONFIG: Partial<HlsConfig> = {
  // Segments come as fragmented MP4: there is nothing to convert that a worker could do.
  enableWorker: false,
  maxBufferLength: FORWARD_S,
  maxMaxBufferLength: FORWARD_S,
  maxBufferSize: FORWARD_BYTES,
  backBufferLength: BACKWARD_S,
  // Captions are tracks of the page's own: what comes for them is handed over.
  enableIMSC1: false,
  enableCEA708Captions: false,
  renderTextTracksNatively: false,
  manifestLoadPolicy: policy,
  playlistLoadPolicy: policy,
  fragLoadPolicy: policy,
};

/** The film segment by segment, by hls.js. */
export class HlsSource implements Source {
  readonly guardsVideo = true;
  #hls: Hls;
  #recoveries: number[] = [];
  #text: number | null = null;
  #textFaults = 0;

  constructor(
    kind: typeof Hls,
    readonly video: HTMLVideoElement,
    address: string,
    startS: number,
    readonly events: SourceEvents,
  ) {
    const hls = (this.#hls = new kind({ ...CONFIG, startPosition: startS > 0 ? startS : -1 }));
    const told = () => this.#tellSounds();
    hls.on(kind.Events.AUDIO_TRACKS_UPDATED, told);
    hls.on(kind.Events.AUDIO_TRACK_SWITCHED, told);
    hls.on(kind.Events.SUBTITLE_TRACKS_UPDATED, () => this.#turnToText());
    hls.on(kind.Events.CUES_PARSED, (_, data) => this.#tellCues(data));
    hls.on(kind.Events.ERROR, (_, data) => this.#broke(kind, data));
    hls.loadSource(address);
    hls.attachMedia(video);
  }

  chooseSound(number: number): void {
    this.#hls.audioTrack = number;
  }

  chooseText(number: number | null): void {
    this.#text = number;
    this.#textFaults = 0;
    if (this.#hls.levels.length > 0) this.#turnToText();
  }

  stop(): void {
    this.#hls.destroy();
  }

  #tellSounds(): void {
    const tracks = this.#hls.audioTracks.map(({ name, lang }) => ({ name, language: lang ?? null }));
    this.events.sounds(tracks, this.#hls.audioTrack);
  }

  #turnToText(): void {
    const place = this.#hls.subtitleTracks.findIndex((track) => textNumber(track) === this.#text);
    if (this.#text !== null && place < 0) this.events.textFault();
    this.#hls.subtitleTrack = place;
  }

  #tellCues({ cues, subtitleTrack }: CuesParsedData): void {
    const number = subtitleTrack && textNumber(subtitleTrack);
    if (number == null) return;
    this.#textFaults = 0;
    this.events.cues(number, cues as VTTCue[]);
  }

  /** A film without its captions goes on. */
  #textBroke(): void {
    this.#textFaults += 1;
    if (this.#textFaults < TEXT_TRIES) return;
    this.#hls.subtitleTrack = -1;
    this.events.textFault();
  }

  #broke(kind: typeof Hls, data: ErrorData): void {
    if (isOfText(data)) return this.#textBroke();
    if (data.type === kind.ErrorTypes.NETWORK_ERROR) return this.#lineBroke(data);
    if (!data.fatal) return;
    const isPlayable = data.details !== kind.ErrorDetails.BUFFER_ADD_CODEC_ERROR
      && data.details !== kind.ErrorDetails.MANIFEST_INCOMPATIBLE_CODECS_ERROR;
    if (data.type === kind.ErrorTypes.MEDIA_ERROR && isPlayable && this.#mayRecover()) {
      this.events.recovered();
      return this.#hls.recoverMediaError();
    }
    this.events.fault("decoder");
  }

  // hls.js itself would pass over a piece that is refused, and wait for ever; but a refusal means that another
  // session is needed, as the download has changed its release.
  #lineBroke(data: ErrorData): void {
    const code = data.response?.code ?? 0;
    const isRefused = code >= 400 && code < 500;
    const isTriedAgain = data.errorAction?.action === RETRY;
    if (!data.fatal && !isRefused && isTriedAgain) return;
    this.#hls.stopLoad();
    this.events.fault("line");
  }

  #mayRecover(): boolean {
    const now = Date.now();
    this.#recoveries = this.#recoveries.filter((at) => now - at < RECOVERED_FOR_MS);
    return this.#recoveries.push(now) <= RECOVERIES;
  }
}

function textNumber({ url }: MediaPlaylist): number | null {
  const found = /\/text-(\d+)\.m3u8$/.exec(url);
  return found && Number(found[1]);
}

function isOfText({ frag, context }: ErrorData): boolean {
  return frag?.type === "subtitle" || context?.type === "subtitleTrack";
}
