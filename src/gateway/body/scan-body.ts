import type { InputError } from '../../core/refusal.ts'
import { type BodyNames, roles } from './body-names.ts'
import { ClosedScan } from './closed-scan.ts'
import { fieldError, invalidBody, invalidJson } from './invalid-body.ts'
import { colon, comma, endOfNumber, quote, TextReader, wordAt } from './json-tokens.ts'
import { MediaScan } from './media-scan.ts'

/** Arrays and objects within each other, the body itself with them. */
const depthMax = 128

export type ValueKind = 'text' | 'number' | 'true' | 'false' | 'null' | 'object' | 'list'

/** A field's value in the bytes. */
export interface ValueSpan {
  readonly kind: ValueKind
  readonly start: number
  /** Behind its last byte. */
  readonly end: number
}

/** What may come next. */
const expected = {
  value: 0,
  valueOrEnd: 1,
  name: 2,
  nameOrEnd: 3,
  colon: 4,
  commaOrEnd: 5,
  nothing: 6,
} as const

/** `[` and `{`, and `]` and `}`, differ in this bit alone. */
const brace = 0x20
const opening = 0x7b
const closing = 0x7d

/**
 * Reads a body once, byte by byte, with no object for what is of no interest: is it JSON as RFC
 * 8259 has it, where do the values of fields stand, is a name there twice, does it name media by
 * URL. In steps, so that a large one does not hold up others; its memory is a few bytes a level.
 */
export class BodyScan {
  readonly #bytes: Buffer
  readonly #names: BodyNames
  readonly #spans: (ValueSpan | undefined)[] = []
  readonly #faults = new Map<string, InputError>()
  readonly #media: MediaScan
  readonly #closed: ClosedScan
  /** The name of the member whose value comes. */
  #memberName = ''
  #at = 0
  #expected: number = expected.value
  /** The value that comes: what it is, and which field's. */
  #role: number = roles.top
  #field = -1
  /** A text or a name. */
  readonly #text: TextReader
  #isInText = false
  /** Of the objects and lists that are open. */
  #depth = 0
  readonly #isList = [false]
  readonly #roles: number[] = [roles.opaque]
  readonly #fields = [-1]
  readonly #starts = [0]
  /** Of a list of prompts. */
  #prompts = 0
  #hasTextPrompts = false
  #body: ValueSpan | undefined

  constructor(bytes: Buffer, names: BodyNames, refusesMediaByUrl: boolean) {
    this.#bytes = bytes
    this.#names = names
    this.#text = new TextReader(bytes)
    this.#media = new MediaScan(bytes, refusesMediaByUrl)
    this.#closed = new ClosedScan(bytes)
  }

  /**
   * Reads so many bytes more, or a few more than that.
   *
   * @returns whether more are left
   * @throws Refusal `input_invalid`
   */
  readOn(count: number): boolean {
    const { length } = this.#bytes
    const limit = Math.min(length, this.#at + count)
    while (this.#at < limit) {
      if (this.#isInText) this.#readText(limit)
      else this.#readToken(limit)
    }
    if (this.#at < length) return true
    if (this.#expected !== expected.nothing) throw invalidJson()
    if (this.#body?.kind !== 'object') throw invalidBody('The body should be an object', 'object_type')
    return false
  }

  /** The whole of it, without what stands around. */
  get body(): ValueSpan {
    return this.#body as ValueSpan
  }

  /** A field's value, or undefined where it is not there. */
  span(field: string): ValueSpan | undefined {
    return this.#spans[this.#names.numberOf.get(field) ?? -1]
  }

  get faults(): readonly InputError[] {
    return [...this.#faults.values(), ...this.#closed.faults, ...this.#media.faults]
  }

  get hasMedia(): boolean {
    return this.#media.hasMedia
  }

  get images(): { readonly count: number; readonly bytes: number } {
    return this.#media.images
  }

  /** How many prompts there are: one, where a list of numbers is one. */
  get prompts(): number {
    return this.#hasTextPrompts ? this.#prompts : 1
  }

  #readToken(limit: number): void {
    const byte = this.#bytes[this.#at] as number
    if (byte <= 0x20) this.#skipSpace(limit)
    else if (byte === quote) this.#startText()
    else if (byte === comma) this.#readComma()
    else if (byte === colon) this.#readColon()
    else if ((byte | brace) === opening) this.#open(byte !== opening)
    else if ((byte | brace) === closing) this.#close(byte !== closing)
    else this.#readWord(byte)
  }

  #skipSpace(limit: number): void {
    let at = this.#at
    for (; at < limit; at += 1) {
      const byte = this.#bytes[at] as number
      if (byte > 0x20) break
      if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) throw invalidJson()
    }
    this.#at = at
  }

  #startText(): void {
    if (!this.#isNameNext) this.#beginValue()
    this.#text.begin(this.#at)
    this.#isInText = true
    this.#at += 1
  }

  #readText(limit: number): void {
    const isWhole = this.#text.readOn(limit)
    this.#at = this.#text.at
    if (!isWhole) return
    const { start } = this.#text
    this.#isInText = false
    if (this.#isNameNext) this.#endName(start + 1, this.#at - 1)
    else {
      if (this.#role >= roles.media) this.#readMember(start + 1, this.#at - 1)
      this.#endValue('text', this.#field, start)
    }
  }

  /** A text that interests, between its quotes. */
  #readMember(start: number, end: number): void {
    const list = this.#names.lists.get(this.#roles[this.#depth] as number)
    if (list === undefined || this.#role < roles.type) this.#media.readText(this.#role, start, end)
    else if (this.#role === roles.type) this.#closed.readType(list, start, end)
    else this.#closed.addMember(this.#memberName)
  }

  /** A name of a member: says what its value is. */
  #endName(start: number, end: number): void {
    this.#expected = expected.colon
    const role = this.#roles[this.#depth] as number
    this.#role = role === roles.opaque || role === roles.tool ? roles.opaque : roles.other
    this.#field = -1
    const found = this.#names.tables[role]?.find(this.#bytes, start, end, this.#text.isEscaped)
    if (found === undefined) return
    if (found === 'broken') {
      if (role >= roles.top) this.#addFault('', 'A name should be whole characters', 'ambiguous')
      return
    }
    if (found.role === roles.forbidden)
      throw invalidBody('No member may be called `__proto__`', 'name_forbidden')
    this.#role = found.role
    this.#memberName = found.closed ?? found.name
    if (this.#names.lists.has(role) && found.role !== roles.needed) this.#closed.addMember(found.name)
    if (found.field >= 0) this.#startField(found.field, found.isOtherSpelling)
  }

  #startField(field: number, isOtherSpelling: boolean): void {
    const name = this.#names.fields[field] as string
    if (isOtherSpelling) this.#addFault(name, 'Field should be spelt as the API spells it', 'ambiguous')
    else if (this.#spans[field] === undefined) this.#field = field
    else this.#addFault(name, 'Field should be there once', 'ambiguous')
  }

  #addFault(field: string, msg: string, type: string): void {
    if (!this.#faults.has(field)) this.#faults.set(field, fieldError(field, msg, type))
  }

  #readColon(): void {
    if (this.#expected !== expected.colon) throw invalidJson()
    this.#expected = expected.value
    this.#at += 1
  }

  #readComma(): void {
    if (this.#expected !== expected.commaOrEnd) throw invalidJson()
    this.#at += 1
    if (this.#isList[this.#depth] === true) this.#startElement(expected.value)
    else this.#expected = expected.name
  }

  #startElement(next: number): void {
    this.#expected = next
    this.#field = -1
    this.#role = elementRoles[this.#roles[this.#depth] as number] as number
  }

  #open(isList: boolean): void {
    this.#beginValue()
    if (this.#depth === depthMax) throw invalidBody('The body is nested too deeply', 'recursion')
    const depth = this.#depth + 1
    this.#depth = depth
    this.#isList[depth] = isList
    this.#roles[depth] = isList ? this.#role : (objectRoles[this.#role] ?? this.#role)
    this.#fields[depth] = this.#field
    this.#starts[depth] = this.#at
    this.#at += 1
    if (isList) this.#startElement(expected.valueOrEnd)
    else this.#expected = expected.nameOrEnd
  }

  #close(isList: boolean): void {
    const depth = this.#depth
    const isEmpty = this.#expected === (isList ? expected.valueOrEnd : expected.nameOrEnd)
    if (depth === 0 || this.#isList[depth] !== isList) throw invalidJson()
    if (this.#expected !== expected.commaOrEnd && !isEmpty) throw invalidJson()
    const role = this.#roles[depth] as number
    if (role === roles.source) this.#media.endSource()
    const list = isList ? undefined : this.#names.lists.get(role)
    if (list !== undefined) this.#closed.endObject(list)
    this.#at += 1
    this.#depth = depth - 1
    this.#endValue(isList ? 'list' : 'object', this.#fields[depth] as number, this.#starts[depth] as number)
  }

  #readWord(byte: number): void {
    const start = this.#at
    const word = wordAt(this.#bytes, byte, start)
    this.#beginValue(word === 'null')
    this.#at = word === undefined ? endOfNumber(this.#bytes, start) : start + word.length
    this.#endValue(word ?? 'number', this.#field, start)
  }

  get #isNameNext(): boolean {
    return this.#expected === expected.name || this.#expected === expected.nameOrEnd
  }

  #beginValue(isNull = false): void {
    if (this.#expected !== expected.value && this.#expected !== expected.valueOrEnd) throw invalidJson()
    if (isNull) return
    if (this.#role === roles.closed) this.#closed.addClosed(this.#memberName)
    else if (this.#role === roles.type) this.#closed.beginType()
  }

  #endValue(kind: ValueKind, field: number, start: number): void {
    const depth = this.#depth
    if (field >= 0) this.#spans[field] = { kind, start, end: this.#at }
    if (depth === 0) {
      this.#expected = expected.nothing
      this.#body = { kind, start, end: this.#at }
      return
    }
    this.#expected = expected.commaOrEnd
    if (depth === 2 && this.#roles[2] === roles.prompts && this.#isList[2] === true) {
      this.#prompts += 1
      if (kind !== 'number') this.#hasTextPrompts = true
    }
  }
}

/** Roles of lists that their elements have, too. */
const isOfItsElements = new Set<number>([
  roles.opaque,
  roles.media,
  roles.image,
  roles.mediaData,
  roles.dataHolder,
])

/** What the elements of a list are, by what the list is; and the members of an object. */
const elementRoles = Uint8Array.from({ length: 256 }, (_, role) => {
  if (role === roles.items) return roles.item
  if (role === roles.images) return roles.imageData
  if (role === roles.tools || role === roles.tool) return roles.tool
  if (role === roles.inputs || role === roles.input) return roles.input
  if (role === roles.holder || role === roles.source) return roles.holder
  return isOfItsElements.has(role) ? role : roles.other
})
const objectRoles: Readonly<Record<number, number>> = {
  [roles.items]: roles.item,
  [roles.tools]: roles.tool,
  [roles.inputs]: roles.input,
  [roles.prompts]: roles.other,
  [roles.images]: roles.other,
}
