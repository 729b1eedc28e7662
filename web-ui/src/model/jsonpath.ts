/** A part of a text, as positions of UTF-16 units; `to` is exclusive. */
export interface Span {
  from: number;
  to: number;
}

/** `/container/portMappings(0)/name` as keys and indexes. */
export function pathParts(path: string): (string | number)[] {
  const parts: (string | number)[] = [];
  for (const piece of path.split('/').filter((one) => one !== '')) {
    const match = /^(.*?)((?:\(\d+\))*)$/.exec(piece);
    if (match?.[1]) parts.push(match[1]);
    for (const index of match?.[2]?.matchAll(/\((\d+)\)/g) ?? []) parts.push(Number(index[1]));
  }
  return parts;
}

/**
 * Where the value at `path` stands in a JSON text. If the path leads nowhere, the innermost value that exists is meant: for
 * a missing member its object. A text that is not JSON (any more) has no places but its start.
 */
export function locate(text: string, path: string): Span {
  try {
    JSON.parse(text);
  } catch {
    return { from: 0, to: 0 };
  }
  return new Reader(text).find(pathParts(path));
}

/** Line of a position, from 1. */
export function lineAt(text: string, position: number): number {
  return text.slice(0, position).split('\n').length;
}

/** Walks a JSON text that is known to be valid, without building values. */
class Reader {
  #at = 0;

  constructor(private readonly text: string) {}

  find(parts: readonly (string | number)[]): Span {
    this.#space();
    const [part, ...rest] = parts;
    const start = this.#at;
    if (part !== undefined && this.text[start] === (typeof part === 'number' ? '[' : '{')) {
      const inside = this.#enter(part);
      if (inside) return this.find(rest);
    }
    this.#at = start;
    this.#value();
    return { from: start, to: this.#at };
  }

  /** Moves to the start of the wanted member or element. */
  #enter(part: string | number): boolean {
    this.#at += 1;
    for (let index = 0; ; index += 1) {
      this.#space();
      if (this.#done()) return false;
      let name: string | number = index;
      if (typeof part === 'string') {
        const from = this.#at;
        this.#string();
        name = JSON.parse(this.text.slice(from, this.#at)) as string;
        this.#space();
        this.#at += 1; // the colon
        this.#space();
      }
      if (name === part) return true;
      this.#value();
      this.#space();
      if (this.text[this.#at] !== ',') return false;
      this.#at += 1;
    }
  }

  #value(): void {
    const first = this.text[this.#at];
    if (first === '"') return this.#string();
    if (first === '{' || first === '[') return this.#nested();
    while (!this.#ended() && !/[\s,\]}]/.test(this.text[this.#at] ?? '')) this.#at += 1;
  }

  #nested(): void {
    let depth = 0;
    do {
      const char = this.text[this.#at];
      if (char === '"') {
        this.#string();
        continue;
      }
      if (char === '{' || char === '[') depth += 1;
      if (char === '}' || char === ']') depth -= 1;
      this.#at += 1;
    } while (depth > 0 && !this.#ended());
  }

  #string(): void {
    this.#at += 1;
    while (!this.#ended() && this.text[this.#at] !== '"') this.#at += this.text[this.#at] === '\\' ? 2 : 1;
    this.#at += 1;
  }

  #space(): void {
    while (/\s/.test(this.text[this.#at] ?? '')) this.#at += 1;
  }

  #done(): boolean {
    return this.#ended() || this.text[this.#at] === '}' || this.text[this.#at] === ']';
  }

  #ended(): boolean {
    return this.#at >= this.text.length;
  }
}
