import type { OutputBound } from '../presets/preset.ts'
import type { BodyChanges, WrittenLength } from './call-body.ts'
import type { BodyScan, ValueSpan } from './scan-body.ts'

/** Bytes that come in the place of others. */
interface Edit {
  readonly start: number
  readonly end: number
  readonly text: string
}

/** New members of an object that is there. */
interface Insert {
  readonly object: ValueSpan
  readonly member: string
}

/** Writes changes into a body's bytes: every other byte stays as it came. */
export class BodySplice {
  readonly #bytes: Buffer
  readonly #scan: BodyScan
  readonly #output: OutputBound | undefined
  readonly #isWrittenFalse: readonly string[]

  /** @param isWrittenFalse fields that become false where they are null or absent */
  constructor(
    bytes: Buffer,
    scan: BodyScan,
    output: OutputBound | undefined,
    isWrittenFalse: readonly string[],
  ) {
    this.#bytes = bytes
    this.#scan = scan
    this.#output = output
    this.#isWrittenFalse = isWrittenFalse
  }

  /** The bytes with these changes; the very same where there is nothing to change. */
  write(changes: BodyChanges): Buffer {
    const edits = this.#editsOf(changes)
    if (edits.length === 0) return this.#bytes
    const parts: Buffer[] = []
    let at = 0
    for (const { start, end, text } of edits) {
      parts.push(this.#bytes.subarray(at, start), Buffer.from(text))
      at = end
    }
    return Buffer.concat([...parts, this.#bytes.subarray(at)])
  }

  /** How much `write` makes of it, without a copy. */
  measure(changes: BodyChanges): WrittenLength {
    const edits = this.#editsOf(changes)
    const length = edits.reduce(
      (sum, { start, end, text }) => sum + Buffer.byteLength(text) - (end - start),
      this.#bytes.length,
    )
    return { length, isCopy: edits.length > 0 }
  }

  /** From the first byte on. */
  #editsOf({ model, output, includeUsage }: BodyChanges): readonly Edit[] {
    const changes: (Edit | Insert)[] = this.#isWrittenFalse
      .filter((field) => !this.#isSet(field))
      .map((field) => this.#set(field, 'false'))
    if (model !== undefined) changes.push(this.#set('model', JSON.stringify(model)))
    if (output !== undefined) changes.push(...this.#bound(output))
    if (includeUsage === true) changes.push(this.#set('stream_options.include_usage', 'true'))
    return this.#placed(changes).filter((edit) => !this.#isThere(edit))
  }

  #isThere({ start, end, text }: Edit): boolean {
    return end - start === Buffer.byteLength(text) && this.#bytes.toString('utf8', start, end) === text
  }

  /**
   * In the field that is for it; where a client has said in one that there should be no bound, in
   * the place of that, and of any larger bound beside it.
   */
  #bound(output: number): readonly (Edit | Insert)[] {
    if (this.#output === undefined) return []
    const { fields, writes, isOpenBelowOne } = this.#output
    const set = fields.filter((field) => this.#isSet(field))
    const isOpen = (field: string): boolean => isOpenBelowOne && this.#number(field) < 1
    if (set.length > 0 && !set.some(isOpen)) return []
    const wrong = set.filter((field) => isOpen(field) || this.#number(field) > output)
    return (set.length === 0 ? [writes] : wrong).map((field) => this.#set(field, String(output)))
  }

  #isSet(field: string): boolean {
    const span = this.#scan.span(field)
    return span !== undefined && span.kind !== 'null'
  }

  #number(field: string): number {
    const { start, end } = this.#scan.span(field) as ValueSpan
    return Number(this.#bytes.toString('latin1', start, end))
  }

  /** A value in the place of a field's own, or a new member of its object. */
  #set(field: string, value: string): Edit | Insert {
    const span = this.#scan.span(field)
    if (span !== undefined) return { start: span.start, end: span.end, text: value }
    const [first = '', second] = field.split('.')
    if (second === undefined) return { object: this.#scan.body, member: memberOf(first, value) }
    const member = memberOf(second, value)
    const object = this.#scan.span(first)
    return object?.kind === 'object' ? { object, member } : this.#set(first, `{${member}}`)
  }

  /** New members in the place where they come. */
  #placed(changes: readonly (Edit | Insert)[]): readonly Edit[] {
    const inserts = Map.groupBy(
      changes.filter((change) => 'object' in change),
      ({ object }) => object.start,
    )
    const edits = changes.filter((change) => 'text' in change)
    for (const [start, members] of inserts) {
      const text = members.map(({ member }) => member).join(',')
      const at = start + 1
      edits.push({ start: at, end: at, text: this.#isEmpty(at) ? text : `${text},` })
    }
    return edits.toSorted((one, other) => one.start - other.start)
  }

  /** Whether an object has no member, whose brace opens before this byte. */
  #isEmpty(start: number): boolean {
    let at = start
    while ((this.#bytes[at] ?? 0) <= space) at += 1
    return this.#bytes[at] === closingBrace
  }
}

const space = 0x20
const closingBrace = 0x7d

function memberOf(name: string, value: string): string {
  return `${JSON.stringify(name)}:${value}`
}
