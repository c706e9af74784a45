/** Something that is known of each request under way, at the object that stands for it. */
export interface RequestNote<Asked extends object, Note> {
  readonly get: (asked: Asked) => Note | undefined
  readonly set: (asked: Asked, note: Note | undefined) => void
}

/**
 * Keeps a note as a property under a symbol that nobody else has. A `WeakMap` says the same, but has the garbage collector look after an
 * entry of every request: in an Express app that took longer than all else that the guard does (docs/performance.md).
 *
 * @param name what a debugger shows
 */
export function createRequestNote<Asked extends object, Note>(name: string): RequestNote<Asked, Note> {
  const key = Symbol(name)
  type Noted = Asked & { [key]?: Note | undefined }
  return {
    get: (asked: Noted) => asked[key],
    set(asked: Noted, note) {
      asked[key] = note
    },
  }
}
