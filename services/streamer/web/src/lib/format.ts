const MINUTE_S = 60;
const HOUR_S = 3600;
const DAY_MS = 86_400_000;

/** Bytes in the units that stores and release names use: powers of 1000. */
export function size(bytes: number): string {
  if (bytes >= 1e12) return `${(bytes / 1e12).toFixed(1)} TB`;
  if (bytes >= 1e9) return `${(bytes / 1e9).toFixed(1)} GB`;
  if (bytes >= 1e6) return `${Math.round(bytes / 1e6)} MB`;
  return `${Math.max(0, Math.round(bytes / 1e3))} kB`;
}

/** "3.4 of 8.1 GB": the unit once when both share it. */
export function sizeOf(doneBytes: number, totalBytes: number): string {
  const done = size(doneBytes);
  const total = size(totalBytes);
  const unit = total.slice(total.indexOf(" "));
  return `${done.endsWith(unit) ? done.slice(0, -unit.length) : done} of ${total}`;
}

export function speed(bytesPerSecond: number): string {
  if (bytesPerSecond >= 1e7) return `${Math.round(bytesPerSecond / 1e6)} MB/s`;
  if (bytesPerSecond >= 1e6) return `${(bytesPerSecond / 1e6).toFixed(1)} MB/s`;
  return `${Math.round(bytesPerSecond / 1e3)} kB/s`;
}

/** A wait in words that don't twitch with every second. */
export function wait(seconds: number): string {
  if (seconds < 10) return "a few seconds";
  if (seconds < 50) return `about ${Math.ceil(seconds / 10) * 10} s`;
  if (seconds < HOUR_S) return `about ${Math.max(1, Math.round(seconds / MINUTE_S))} min`;
  return `about ${hoursAndMinutes(Math.round(seconds / MINUTE_S))}`;
}

export function runtime(minutes: number): string {
  return minutes < MINUTE_S ? `${minutes} min` : hoursAndMinutes(minutes);
}

function hoursAndMinutes(minutes: number): string {
  const rest = minutes % 60;
  return rest ? `${Math.floor(minutes / 60)} h ${rest} min` : `${Math.floor(minutes / 60)} h`;
}

export function age(days: number): string {
  if (days < 1) return "today";
  if (days < 60) return `${Math.round(days)} ${Math.round(days) === 1 ? "day" : "days"}`;
  if (days < 730) return `${Math.round(days / 30.4)} months`;
  return `${Math.floor(days / 365.25)} years`;
}

export interface Clock {
  now: Date;
  /** IANA name; the reader's own when left out. */
  timeZone?: string;
  hourCycle?: "h12" | "h23";
}

/** "Fri 21:00", or "12 Dec, 21:00" when the weekday alone would be ambiguous. The clock is the reader's: 12 or 24 hours. */
export function moment(rfc3339: string, clock: Clock = { now: new Date() }): string {
  const at = new Date(rfc3339);
  const near = Math.abs(at.getTime() - clock.now.getTime()) < 6 * DAY_MS;
  return new Intl.DateTimeFormat("en-GB", {
    ...(near ? { weekday: "short" } : { day: "numeric", month: "short" }),
    hour: "numeric",
    minute: "2-digit",
    hourCycle: clock.hourCycle ?? readersHourCycle(),
    ...(clock.timeZone ? { timeZone: clock.timeZone } : {}),
  }).format(at);
}

function readersHourCycle(): "h12" | "h23" {
  return new Intl.DateTimeFormat(undefined, { hour: "numeric" }).resolvedOptions().hour12 ? "h12" : "h23";
}
