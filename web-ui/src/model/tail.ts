/** How much of the end of a file is shown first, in bytes. */
export const FIRST_READ = 16 * 1024;
/** Most bytes to ask for at once. */
export const READ_LENGTH = 64 * 1024;
/** Most text kept; older lines go first. */
export const KEPT_CHARACTERS = 512 * 1024;

/** What is known of a growing file. */
export interface Tail {
  text: string;
  /** Byte to read next. */
  next: number;
  /** Whether the text begins later than the file. */
  cut: boolean;
}

/** Where to begin when a file of `size` bytes is opened. */
export function openTail(size: number): Tail {
  const next = Math.max(0, size - FIRST_READ);
  return { text: '', next, cut: next > 0 };
}

/** The tail after `data` was read at its end. When it began inside the file, the first, broken line is dropped. */
export function extend(tail: Tail, data: string): Tail {
  if (data === '') return tail;
  const next = tail.next + new TextEncoder().encode(data).length;
  const fresh = tail.text === '' && tail.cut ? data.slice(data.indexOf('\n') + 1) : data;
  const text = tail.text + fresh;
  if (text.length <= KEPT_CHARACTERS) return { text, next, cut: tail.cut };
  const kept = text.slice(text.length - KEPT_CHARACTERS);
  return { text: kept.slice(kept.indexOf('\n') + 1), next, cut: true };
}
