/** CPUs without needless digits: `0.1`, `12`. */
export function cpus(value: number): string {
  return String(Math.round(value * 1000) / 1000);
}

/** MiB as a reader says it: `512 MiB`, `1.5 GiB`. */
export function mebibytes(value: number): string {
  if (value < 1024) return `${Math.round(value * 10) / 10} MiB`;
  if (value < 1024 * 1024) return `${Math.round((value / 1024) * 10) / 10} GiB`;
  return `${Math.round((value / 1024 / 1024) * 10) / 10} TiB`;
}

/** `1 app`, `2 apps`. */
export function plural(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}

/** Enough of a task id to tell it from its siblings: `1f0e2d3c….2` (instance and incarnation). */
export function shortTask(id: string): string {
  const match = /instance-([0-9a-f]{8})[0-9a-f-]*\._?([^.]+)(?:\.(\d+))?$/.exec(id);
  if (!match) return id;
  const [, instance, , incarnation] = match;
  return incarnation === undefined ? `${instance}…` : `${instance}….${incarnation}`;
}
