import type { Job } from "../../src/lib/api";

/** A job in the middle of its download; name what differs. */
export function aJob(differs: Partial<Job> = {}): Job {
  return {
    job_id: "job_1",
    movie_id: 603,
    title: "Paper Lanterns",
    poster_url: null,
    status: "downloading",
    stage: "downloading",
    progress: 42,
    playable: false,
    error_message: null,
    error_code: null,
    release_title: "Paper.Lanterns.2024.1080p.WEB-DL.H.264-FLUX",
    release_id: "r1",
    done_bytes: 3_400_000_000,
    total_bytes: 8_100_000_000,
    speed_bps: 62_000_000,
    eta_s: 75,
    retry_at: null,
    created_at: "2026-11-20T12:00:00Z",
    updated_at: "2026-11-20T12:00:10Z",
    ready_at: null,
    expires_at: null,
    last_watched_at: null,
    ...differs,
  };
}
