import type { InputError } from '../../core/refusal.ts'
import { roles } from './body-names.ts'
import { mediaByUrl } from './invalid-body.ts'

const data = Buffer.from('data:')
const base64 = Buffer.from('base64')
const imageType = Buffer.from('image/')

/** Bytes in which a URL has had its colon. */
const schemeBytes = 64

/** What an Anthropic source says, as often as it says it. */
interface SourceMembers {
  types: number
  base64Types: number
  mediaTypes: number
  imageTypes: number
  data: number
  dataBytes: number
}

/** Finds media that upstreams would fetch, and counts images that came with the body. */
export class MediaScan {
  readonly #bytes: Buffer
  readonly #refusesUrls: boolean
  readonly #images = { count: 0, bytes: 0 }
  #hasMedia = false
  #hasUrl = false
  #source: SourceMembers = emptySource()

  constructor(bytes: Buffer, refusesUrls: boolean) {
    this.#bytes = bytes
    this.#refusesUrls = refusesUrls
  }

  get images(): { readonly count: number; readonly bytes: number } {
    return this.#images
  }

  /** Whether it names any media, whatever they are. */
  get hasMedia(): boolean {
    return this.#hasMedia
  }

  get faults(): readonly InputError[] {
    if (!this.#refusesUrls || !this.#hasUrl) return []
    return [mediaByUrl]
  }

  /** A text of this role, between its quotes. */
  readText(role: number, start: number, end: number): void {
    const source = this.#source
    this.#hasMedia = true
    if (role === roles.media || role === roles.image) this.#readUrl(role === roles.image, start, end)
    else if (role === roles.mediaData) this.#readData(start, end)
    else if (role === roles.imageData) this.#addImage(end - start)
    else if (role === roles.sourceType) {
      source.types += 1
      if (end - start === base64.length && this.#begins(base64, start)) source.base64Types += 1
    } else if (role === roles.sourceMediaType) {
      source.mediaTypes += 1
      if (this.#begins(imageType, start)) source.imageTypes += 1
    } else if (role === roles.sourceData) {
      source.data += 1
      source.dataBytes = end - start
    }
  }

  /** Only as it stands: `DATA:`, or an escape in it, is taken for a URL. */
  #readUrl(isImage: boolean, start: number, end: number): void {
    const isData = this.#begins(data, start)
    if (!isData) this.#hasUrl = true
    if (isImage) this.#addImage(isData ? end - start : 0)
  }

  /** Base64 has no colon; some upstreams take a text that has one for a URL. */
  #readData(start: number, end: number): void {
    if (this.#begins(data, start)) return
    const beginning = this.#bytes.toString('latin1', start, Math.min(end, start + schemeBytes))
    if (/:|\\u/.test(beginning)) this.#hasUrl = true
  }

  /** A source is an image where all that it says is one: a document's text is a prompt. */
  endSource(): void {
    const { types, base64Types, mediaTypes, imageTypes, data, dataBytes } = this.#source
    const isImage = types === 1 && base64Types === 1 && mediaTypes === 1 && imageTypes === 1 && data === 1
    if (isImage) this.#addImage(dataBytes)
    this.#source = emptySource()
  }

  #addImage(bytes: number): void {
    this.#images.count += 1
    this.#images.bytes += bytes
  }

  #begins(text: Buffer, start: number): boolean {
    return text.every((byte, index) => this.#bytes[start + index] === byte)
  }
}

function emptySource(): SourceMembers {
  return { types: 0, base64Types: 0, mediaTypes: 0, imageTypes: 0, data: 0, dataBytes: 0 }
}
