const MINUTE_S = 60;
const HOUR_S = 3600;

/** "12:04", or "1:02:03" from an hour on; as wide as the film's own length when that is given. */
export function clock(seconds: number, lengthS = seconds): string {
  const whole = Number.isFinite(seconds) ? Math.max(0, Math.floor(seconds)) : 0;
  const hours = Math.floor(whole / HOUR_S);
  const minutes = Math.floor((whole % HOUR_S) / MINUTE_S);
  const rest = String(whole % MINUTE_S).padStart(2, "0");
  if (hours === 0 && !(lengthS >= HOUR_S)) return `${minutes}:${rest}`;
  return `${hours}:${String(minutes).padStart(2, "0")}:${rest}`;
}

/** "1 hour 2 minutes 4 seconds": what a screen reader says of a place in the film. */
export function spoken(seconds: number): string {
  const whole = Number.isFinite(seconds) ? Math.max(0, Math.floor(seconds)) : 0;
  const parts = [
    count(Math.floor(whole / HOUR_S), "hour"),
    count(Math.floor((whole % HOUR_S) / MINUTE_S), "minute"),
    count(whole % MINUTE_S, "second"),
  ].filter(Boolean);
  return parts.join(" ") || "0 seconds";
}

function count(number: number, unit: string): string {
  if (number === 0) return "";
  return `${number} ${unit}${number === 1 ? "" : "s"}`;
}
