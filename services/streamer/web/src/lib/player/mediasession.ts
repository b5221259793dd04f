import type { Film } from "./film.svelte";
import { STEP_S } from "./keys";

/** The film on the system's own media controls: lock screens, headset buttons, the keyboard's media keys. */
export function announceFilm(film: Film, title: string, posterUrl: string | null): () => void {
  if (!("mediaSession" in navigator)) return () => undefined;
  const session = navigator.mediaSession;
  session.metadata = new MediaMetadata({ title, artwork: posterUrl ? [{ src: posterUrl }] : [] });
  const handlers: Partial<Record<MediaSessionAction, MediaSessionActionHandler>> = {
    play: () => film.play(),
    pause: () => film.pause(),
    seekbackward: ({ seekOffset }) => film.skip(-(seekOffset ?? STEP_S)),
    seekforward: ({ seekOffset }) => film.skip(seekOffset ?? STEP_S),
    seekto: ({ seekTime }) => film.go(seekTime ?? 0),
  };
  const actions = Object.keys(handlers) as MediaSessionAction[];
  for (const action of actions) handle(session, action, handlers[action] ?? null);
  return () => {
    session.metadata = null;
    session.playbackState = "none";
    for (const action of actions) handle(session, action, null);
  };
}

/** Where the film is, for the system's own seek bar. */
export function announcePlace(film: Film): void {
  if (!("mediaSession" in navigator)) return;
  navigator.mediaSession.playbackState = film.isPaused ? "paused" : "playing";
  if (film.durationS <= 0) return;
  navigator.mediaSession.setPositionState?.({
    duration: film.durationS,
    position: Math.min(film.timeS, film.durationS),
    playbackRate: film.rate,
  });
}

function handle(session: MediaSession, action: MediaSessionAction, handler: MediaSessionActionHandler | null): void {
  try {
    session.setActionHandler(action, handler);
  } catch {
    // Browsers refuse the actions that they don't know.
  }
}
