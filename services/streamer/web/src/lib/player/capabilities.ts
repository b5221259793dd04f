const PICTURES = [
  "avc1.640028",
  "avc1.6e0028",
  "hvc1.1.6.L120.90",
  "hvc1.2.4.L153.B0",
  "av01.0.08M.08",
  "av01.0.08M.10",
  "vp09.00.10.08",
] as const;
const SOUNDS = ["mp4a.40.2", "ac-3", "ec-3", "flac", "opus"] as const;

type Asks = (type: string) => boolean;

interface Browser {
  MediaSource?: { isTypeSupported: Asks } | undefined;
  ManagedMediaSource?: { isTypeSupported: Asks } | undefined;
}

/** The codecs (RFC 6381) of fragmented MP4 that this browser says it plays. */
export function playableCodecs(browser: Browser, canPlayType: (type: string) => string): string[] {
  const source = browser.ManagedMediaSource ?? browser.MediaSource;
  const plays: Asks = source ? (type) => source.isTypeSupported(type) : (type) => canPlayType(type) !== "";
  return [
    ...PICTURES.filter((codec) => plays(`video/mp4; codecs="${codec}"`)),
    ...SOUNDS.filter((codec) => plays(`audio/mp4; codecs="${codec}"`)),
  ];
}

export function thisBrowsersCodecs(): string[] {
  const probe = document.createElement("video");
  return playableCodecs(window as Browser, (type) => probe.canPlayType(type));
}
