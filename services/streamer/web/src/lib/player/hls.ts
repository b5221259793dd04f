import type Hls from "hls.js";
import type { ErrorData, HlsConfig, LoaderConfig, LoadPolicy } from "hls.js";
import type { Source, SourceEvents } from "./source";

const FORWARD_S = 60;
const FORWARD_BYTES = 60_000_000;
const BACKWARD_S = 30;
/** Lost articles are mended before the bytes that need them come. */
const FIRST_BYTE_MS = 30_000;
const WHOLE_MS = 120_000;
const TRIES = 6;
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
  // Captions are tracks of the page's own.
  enableWebVTT: false,
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
    hls.on(kind.Events.ERROR, (_, data) => this.#broke(kind, data));
    hls.loadSource(address);
    hls.attachMedia(video);
  }

  chooseSound(number: number): void {
    this.#hls.audioTrack = number;
  }

  stop(): void {
    this.#hls.destroy();
  }

  #tellSounds(): void {
    const tracks = this.#hls.audioTracks.map(({ name, lang }) => ({ name, language: lang ?? null }));
    this.events.sounds(tracks, this.#hls.audioTrack);
  }

  #broke(kind: typeof Hls, data: ErrorData): void {
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
