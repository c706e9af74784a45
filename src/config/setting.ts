import { z } from 'zod'
import { isAddressBlock } from '../core/address-list.ts'
import { parseDuration } from '../core/time.ts'
import { parseSize } from './size.ts'

/**
 * How the text of a flag or variable is read, and so which JSON type the setting has in a file. An
 * object stands in the file alone: it has neither flag nor variable.
 */
export type SettingKind = 'text' | 'integer' | 'boolean' | 'automatic' | 'size' | 'list' | 'object'

/** A setting as a configuration file holds it; the text of a flag or variable is read to this. */
export type SettingInput = string | number | boolean | readonly string[] | Readonly<Record<string, unknown>>

/** One thing that is wrong within a setting. */
export interface InputFault {
  /** Where, behind the setting's own name: `.models.routes[1].scope`. */
  readonly at: string
  readonly expected: string
  readonly got: string
  readonly hint?: string
}

/** A setting: how it is read, and its entry in the reference and in `--help`. */
export interface Setting<Value> {
  /** Reads a `SettingInput` to what the program uses. */
  readonly schema: z.ZodType<Value>
  readonly kind: SettingKind
  readonly default: SettingInput
  /** What goes where a value is wanted, such as `N` in `--port N`. */
  readonly placeholder: string
  readonly describes: string
  /** What a fault says was expected, beginning with an article where there is one. */
  readonly expected: string
  /**
   * Everything that is wrong with an input, where one sentence cannot say it.
   * @default one fault, for what the schema refuses
   */
  readonly faultsOf?: (input: unknown) => readonly InputFault[]
  /** What an empty value means. */
  readonly empty: string
}

/** One setting for each option, under the same name. */
export type Settings<Options> = { readonly [Name in keyof Options]: Setting<Options[Name]> }

/** An empty value that is a fault. */
export const isFault = 'A fault: leave the setting out for the default.'

/** An empty list. */
export const isNone = 'None.'

/** The longest wait that a timer of Node can count, rounded down: 24 days. */
const waitMsMax = 24 * 86_400_000

export function oneOf<const T extends string>(...values: readonly T[]): z.ZodType<T> {
  return z.enum(values as readonly [T, ...T[]])
}

export function integer(least: number, most: number): z.ZodType<number> {
  return z.int().min(least).max(most)
}

/** A count as text, for settings that also take a word. */
export function count(least: number, most: number): z.ZodType<number> {
  return read(parseCount, least, most)
}

/** Milliseconds, from a duration. */
export function duration(leastMs: number, mostMs: number = waitMsMax): z.ZodType<number> {
  return read(parseDuration, leastMs, mostMs)
}

/** Bytes, from text with a unit. */
export function bytes(least: number, most: number): z.ZodType<number> {
  return read(parseSize, least, most)
}

/** Bytes, from a number or from text with a unit. */
export function size(least: number, most: number): z.ZodType<number> {
  return z.union([integer(least, most), bytes(least, most)])
}

/** Each item once. */
export function list<T>(item: z.ZodType<T>): z.ZodType<readonly T[]> {
  return z.array(item).refine((items) => new Set(items).size === items.length)
}

/** A path; `~` is the shell's to expand. */
export function path(): z.ZodType<string> {
  return z.string().regex(/^(?!~)[^\0]+$/)
}

/** Addresses and CIDR blocks. */
export function addressBlocks(): z.ZodType<readonly string[]> {
  return list(z.string().refine(isAddressBlock))
}

function read(parse: (text: string) => number | undefined, least: number, most: number): z.ZodType<number> {
  return z
    .string()
    .transform((text) => parse(text) ?? Number.NaN)
    .refine((value) => value >= least && value <= most)
}

function parseCount(text: string): number | undefined {
  return /^(?:0|[1-9]\d{0,8})$/.test(text) ? Number(text) : undefined
}
