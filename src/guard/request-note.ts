/** Something that is known of each request under way, at the object that stands for it. */
export interface RequestNote<Asked extends object, Note> {
  readonly get: (asked: Asked) => Note | undefined
  readonly set: (asked: Asked, note: Note | undefined) => void
}

/**
 * Keeps a note as a property under a symbol that nobody else has. A `WeakMap` says the same, but has the garbage collector look after an
 * entry of every request: in an Express app that took longer than all else that the guard does. It is there for objects that take no
 * property.
 *
 * @param name what a debugger shows
 */
export function createRequestNote<Asked extends object, Note>(name: string): RequestNote<Asked, Note> {
  const key = Symbol(name)
  type Noted = Asked & { [key]?: Note | undefined }
  const closed = new WeakMap<Asked, Note | undefined>()
  return {
    get: (asked: Noted) => asked[key] ?? closed.get(asked),
    set(asked: Noted, note) {
      if (Object.isExtensible(asked)) asked[key] = note
      else closed.set(asked, note)
    },
  }
}
