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

/** How many bytes to ask for next, of a file that is `size` bytes long now. */
export function wanted(tail: Tail, size: number): number {
  return Math.min(READ_LENGTH, size - tail.next);
}

/**
 * The tail after `data` came for a request of `asked` bytes at its end, all of which the file holds. When the tail began
 * inside the file, the first, broken line is dropped.
 */
export function extend(tail: Tail, data: string, asked: number): Tail {
  const { text: read, bytes } = decoded(data, asked);
  if (bytes === 0) return tail;
  const next = tail.next + bytes;
  const fresh = tail.text === '' && tail.cut ? read.slice(read.indexOf('\n') + 1) : read;
  const text = tail.text + fresh;
  if (text.length <= KEPT_CHARACTERS) return { text, next, cut: tail.cut };
  const kept = text.slice(text.length - KEPT_CHARACTERS);
  return { text: kept.slice(kept.indexOf('\n') + 1), next, cut: true };
}

/** Longest character of UTF-8, in bytes. */
const LONGEST_CHARACTER = 4;

/**
 * The text to show and the bytes it stands for. Bytes that are no text arrive as replacement characters, so positions
 * cannot be counted through them. At the end they may be a character of which only a part is written yet: that part is
 * left for the next read. Anywhere else the file is not text, and the answer holds all that was asked for.
 */
function decoded(data: string, asked: number): { text: string; bytes: number } {
  const whole = data.replace(/\uFFFD+$/, '');
  if (whole !== '' && !whole.includes('\uFFFD')) return { text: whole, bytes: new TextEncoder().encode(whole).length };
  const mayBecomeWhole = whole === '' && asked < LONGEST_CHARACTER;
  return mayBecomeWhole ? { text: '', bytes: 0 } : { text: data, bytes: data === '' ? 0 : asked };
}
