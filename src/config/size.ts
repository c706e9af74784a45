const unitBytes: Readonly<Record<string, number>> = { B: 1, KiB: 1_024, MiB: 1_048_576, GiB: 1_073_741_824 }

/** Bytes from a size such as `64KiB`, `1MiB` or `1048576`; undefined for anything else. */
export function parseSize(text: string): number | undefined {
  const [, digits, unit = 'B'] = /^(\d{1,12})(B|KiB|MiB|GiB)?$/.exec(text) ?? []
  if (digits === undefined) return undefined
  return Number(digits) * (unitBytes[unit] ?? Number.NaN)
}
