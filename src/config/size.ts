const unitBytes: Readonly<Record<string, number>> = { B: 1, KiB: 1_024, MiB: 1_048_576, GiB: 1_073_741_824 }

/** Reads a size as people write it, `64KiB`, `1MiB`, or plain bytes, `1048576`; bytes, or undefined for anything else. */
export function parseSize(text: string): number | undefined {
  const [, digits, unit = 'B'] = /^(\d{1,12})(B|KiB|MiB|GiB)?$/.exec(text) ?? []
  if (digits === undefined) return undefined
  return Number(digits) * (unitBytes[unit] ?? Number.NaN)
}

/** Writes bytes in the largest unit that needs no fraction: 1048576 is `1MiB`. */
export function formatSize(bytes: number): string {
  const unit = ['GiB', 'MiB', 'KiB'].find((name) => bytes > 0 && bytes % (unitBytes[name] ?? 1) === 0) ?? 'B'
  return `${bytes / (unitBytes[unit] ?? 1)}${unit}`
}
