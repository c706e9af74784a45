import { isUtf8 } from 'node:buffer'
import type { InputError } from '../../core/refusal.ts'
import type { ClosedField, OutputBound } from '../presets/preset.ts'
import { closedOn, namesOf } from './body-names.ts'
import type { BodyRules, CallBody } from './call-body.ts'
import { hasImageMark } from './image-marks.ts'
import { fieldError, invalidBody, invalidFields, mediaByUrl } from './invalid-body.ts'
import { BodyScan, type ValueSpan } from './scan-body.ts'
import { BodySplice } from './splice-body.ts'

/**
 * Bytes of a body that are scanned in one turn of the event loop: a tenth of a millisecond's worth
 * of texts, one or two of brackets and names, several of names with escapes.
 */
const pieceBytes = 131_072

/** Characters of the longest name of a model. */
const modelLengthMax = 256

/** The largest bound or count: beyond it some upstreams keep another number, or −1. */
const wholeMax = 2_147_483_647

/**
 * Reads a call's body: what the gateway must know of it, where it stands in the bytes, and nothing
 * more. JSON as RFC 8259 has it, of which no two parsers read a field in two ways.
 *
 * @param bytes the whole body; it is kept, not copied
 * @throws Refusal `input_invalid` with each fault of a field
 */
export function readCall(bytes: Buffer, rules: BodyRules): CallBody {
  const steps = readCallInSteps(bytes, rules)
  for (;;) {
    const { done, value } = steps.next()
    if (done === true) return value
  }
}

/** The same in steps of `pieceBytes`, for a large body. */
export function* readCallInSteps(bytes: Buffer, rules: BodyRules): Generator<void, CallBody> {
  if (bytes.length === 0) throw invalidBody('Body required', 'missing')
  if (!isUtf8(bytes)) throw invalidBody('The body is not UTF-8 text', 'unicode_invalid')
  const scan = new BodyScan(bytes, namesOf(rules), rules.refusesMediaByUrl)
  while (scan.readOn(pieceBytes)) yield
  const { refusesMediaByUrl, readsImagesInText = rules.route.dialect === 'tgi' } = rules
  const faults = [...scan.faults]
  if (refusesMediaByUrl && readsImagesInText && (yield* hasImageMark(bytes, pieceBytes)))
    faults.push(mediaByUrl)
  return new FieldReader(bytes, scan, rules, faults).read()
}

/** Reads fields by their spans, and collects their faults. */
class FieldReader {
  readonly #bytes: Buffer
  readonly #scan: BodyScan
  readonly #rules: BodyRules
  readonly #faults: InputError[]

  constructor(bytes: Buffer, scan: BodyScan, rules: BodyRules, faults: InputError[]) {
    this.#bytes = bytes
    this.#scan = scan
    this.#rules = rules
    this.#faults = faults
  }

  read(): CallBody {
    const { route } = this.#rules
    const closedFields = closedOn(this.#rules)
    for (const closed of closedFields) this.#checkClosed(closed)
    this.#checkHolders()
    const model = this.#model()
    const stream = this.#boolean('stream')
    const asksUsage = this.#boolean('stream_options.include_usage') === true
    const output = route.output && this.#output(route.output)
    const answers = route.output === undefined ? 1 : this.#answers(route.output)
    if (this.#faults.length > 0) throw invalidFields(this.#faults)
    const isWrittenFalse = closedFields.flatMap((closed) => (closed.isWrittenFalse ? closed.field : []))
    const splice = new BodySplice(this.#bytes, this.#scan, route.output, isWrittenFalse)
    return {
      bytes: this.#bytes,
      model,
      isStream: isStream(route.streams, stream),
      asksUsage,
      output,
      answers,
      images: this.#scan.images,
      hasMedia: this.#scan.hasMedia,
      write: (changes) => splice.write(changes),
      measure: (changes) => splice.measure(changes),
    }
  }

  #addFault(field: string, msg: string, type: string): void {
    this.#faults.push(fieldError(field, msg, type))
  }

  /** A field's value; undefined where it is null or not there. */
  #value(field: string): ValueSpan | undefined {
    const span = this.#scan.span(field)
    return span?.kind === 'null' ? undefined : span
  }

  #checkClosed({ field, value: only, isInItems, types }: ClosedField): void {
    // The scan has looked for these.
    if (isInItems === true || types !== undefined) return
    const value = this.#value(field)
    if (value === undefined || (only !== undefined && value.kind === String(!only))) return
    const shown = only === undefined ? 'null or absent' : `${!only}, null or absent`
    this.#addFault(field, `Field is closed: it should be ${shown}`, 'extra_forbidden')
  }

  /** Objects that have fields in them. */
  #checkHolders(): void {
    for (const holder of namesOf(this.#rules).holders) {
      const value = this.#value(holder)
      if (value !== undefined && value.kind !== 'object')
        this.#addFault(holder, 'Input should be an object', 'ambiguous')
    }
  }

  #model(): string | undefined {
    const value = this.#value('model')
    if (value === undefined) return
    if (value.kind !== 'text') return void this.#addFault('model', 'Input should be a text', 'ambiguous')
    const tooLong = `Text should have at most ${modelLengthMax} characters`
    // Each of them may be an escape.
    if (value.end - value.start > modelLengthMax * 6 + 2)
      return void this.#addFault('model', tooLong, 'string_too_long')
    const model = JSON.parse(this.#text(value)) as string
    if (model.length > modelLengthMax) this.#addFault('model', tooLong, 'string_too_long')
    if (model === '') this.#addFault('model', 'Text should have at least 1 character', 'string_too_short')
    if (!model.isWellFormed()) this.#addFault('model', 'Text should be whole characters', 'ambiguous')
    return model
  }

  #boolean(field: string): boolean | undefined {
    const value = this.#value(field)
    if (value === undefined) return
    if (value.kind === 'true' || value.kind === 'false') return value.kind === 'true'
    return void this.#addFault(field, 'Input should be a boolean', 'ambiguous')
  }

  /** Undefined where a client has set no bound, or said in one of the fields to have no bound. */
  #output({ fields, isOpenBelowOne }: OutputBound): number | undefined {
    const set = fields.flatMap((field) => this.#whole(field, isOpenBelowOne) ?? [])
    const isOpen = isOpenBelowOne && set.some((bound) => bound < 1)
    return set.length === 0 || isOpen ? undefined : Math.max(...set)
  }

  /** At least one: some upstreams take 0 for nothing said. */
  #answers({ answers, prompts }: OutputBound): number {
    const counts = answers.map((group) =>
      Math.max(1, ...group.flatMap((field) => this.#whole(field, false) ?? [])),
    )
    const asked = prompts === undefined ? 1 : Math.max(1, this.#scan.prompts)
    return counts.reduce((product, count) => Math.min(product * count, Number.MAX_SAFE_INTEGER), asked)
  }

  /** A whole number that is written as one: to some parsers `1.0` and `1e3` are not. */
  #whole(field: string, mayBeMinusOne: boolean): number | undefined {
    const value = this.#value(field)
    if (value === undefined) return
    const text = value.kind === 'number' ? this.#text(value) : ''
    if (mayBeMinusOne && text === '-1') return -1
    if (!/^\d+$/.test(text))
      return void this.#addFault(field, 'Input should be a whole number, 0 or more', 'ambiguous')
    if (Number(text) <= wholeMax) return Number(text)
    return void this.#addFault(field, `Input should be at most ${wholeMax}`, 'less_than_equal')
  }

  #text({ start, end }: ValueSpan): string {
    return this.#bytes.toString('utf8', start, end)
  }
}

function isStream(streams: BodyRules['route']['streams'], asked: boolean | undefined): boolean {
  if (streams === 'unless refused') return asked !== false
  return streams === 'always' || (streams === 'asked' && asked === true)
}
