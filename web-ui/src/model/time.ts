/** A span in its two largest units: `45s`, `3m 20s`, `2h 5m`, `4d 1h`. Negative spans count as zero. */
export function duration(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  if (whole < 60) return `${whole}s`;
  const units: [string, number][] = [
    ['d', 86_400],
    ['h', 3_600],
    ['m', 60],
    ['s', 1],
  ];
  const first = units.findIndex(([, size]) => whole >= size);
  const parts: string[] = [];
  let rest = whole;
  for (const [unit, size] of units.slice(first, first + 2)) {
    const count = Math.floor(rest / size);
    rest %= size;
    if (count > 0) parts.push(`${count}${unit}`);
  }
  return parts.join(' ');
}

/** How long ago a timestamp was, seen from `nowMs`: `just now`, `3m 20s ago`. Clocks that differ never give the future. */
export function ago(timestamp: string | undefined, nowMs: number): string {
  const then = timestamp === undefined ? Number.NaN : Date.parse(timestamp);
  if (Number.isNaN(then)) return '–';
  const seconds = (nowMs - then) / 1000;
  return seconds < 2 ? 'just now' : `${duration(seconds)} ago`;
}

/** Local date and time with seconds: `2026-03-04 05:06:07`. */
export function clock(timestamp: string | undefined): string {
  const at = new Date(timestamp ?? Number.NaN);
  if (Number.isNaN(at.getTime())) return '–';
  const two = (value: number) => String(value).padStart(2, '0');
  const date = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
  return `${date} ${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
}
