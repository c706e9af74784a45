/** A value that is there already, or will be. */
export type Maybe<T> = T | Promise<T>

/** Runs the next step, at once if the value is there: a promise costs more than most steps. */
export function after<T, U>(value: Maybe<T>, next: (value: T) => Maybe<U>): Maybe<U> {
  return value instanceof Promise ? value.then(next) : next(value)
}
