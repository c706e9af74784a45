import type { InputError } from '../../core/refusal.ts'
import type { OpenTypes } from '../presets/preset.ts'
import { fieldError } from './invalid-body.ts'

/** A list whose objects say by their `type` what they are. */
export interface TypedList extends OpenTypes {
  /** `tools` */
  readonly field: string
}

/**
 * Finds what is closed within lists: members that lead to what an upstream keeps, and objects of a
 * type that is not open. Each of two members of one name counts, and each spelling of it, for
 * upstreams differ in which they take.
 */
export class ClosedScan {
  readonly #bytes: Buffer
  readonly #faults = new Map<string, InputError>()
  /** Of the object of a typed list that is being read: such objects do not stand in each other. */
  #types = 0
  #openTypes: string[] = []
  readonly #members = new Set<string>()

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  get faults(): readonly InputError[] {
    return [...this.#faults.values()]
  }

  /** A member of this name has a value, and is closed. */
  addClosed(field: string): void {
    this.#addFault(field, 'Field is closed: it should be null or absent', 'extra_forbidden')
  }

  /** An object of a typed list has this member. */
  addMember(name: string): void {
    this.#members.add(name)
  }

  /** A `type` that is not null begins. */
  beginType(): void {
    this.#types += 1
  }

  /** A `type` that is a text, between its quotes; with an escape in it, it is not open. */
  readType({ open }: TypedList, start: number, end: number): void {
    const type = open.find((each) => each.length === end - start && this.#isSpelt(each, start))
    if (type !== undefined) this.#openTypes.push(type)
  }

  /** An object of a typed list ends. */
  endObject(list: TypedList): void {
    const { field, open, needs = {}, untyped = [] } = list
    const place = `${field}.type`
    const lacked = this.#openTypes.flatMap((type) => needs[type] ?? []).filter((name) => !this.#has(name))
    if (this.#types > this.#openTypes.length)
      this.#addFault(place, `Type is closed: it should be ${wordsOf(open, 'or')}`, 'extra_forbidden')
    else if (this.#types === 0 && !untyped.every((name) => this.#has(name)))
      this.#addFault(place, `Without a type it should have ${wordsOf(untyped, 'and')}`, 'missing')
    else if (lacked.length > 0)
      this.#addFault(place, `Of this type it should have ${wordsOf(lacked, 'and')}`, 'missing')
    this.#types = 0
    this.#openTypes = []
    this.#members.clear()
  }

  #has(name: string): boolean {
    return this.#members.has(name)
  }

  #isSpelt(text: string, start: number): boolean {
    for (let index = 0; index < text.length; index += 1)
      if (this.#bytes[start + index] !== text.charCodeAt(index)) return false
    return true
  }

  #addFault(field: string, msg: string, type: string): void {
    if (!this.#faults.has(field)) this.#faults.set(field, fieldError(field, msg, type))
  }
}

/** `a`, `b` or `c` */
function wordsOf(names: readonly string[], last: 'and' | 'or'): string {
  const shown = names.map((name) => `\`${name}\``)
  return shown.length < 2 ? shown.join('') : `${shown.slice(0, -1).join(', ')} ${last} ${shown.at(-1)}`
}
