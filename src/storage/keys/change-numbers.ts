/** How far the changes of a store have come. */
export interface ChangeState {
  /** The number of the latest change; 0 if there was none. */
  readonly latest: number
  /**
   * The sum of the numbers in all rows. A row that is put back as it was before makes it smaller,
   * and so does one that is missing: no other rows with right MACs have the same sum.
   */
  readonly total: number
}

/** The number of a change. @param before the number that the changed row had; 0 for a new row */
export type NextChange = (before: number) => number

/** Numbers changes on from a state. The caller keeps others from it meanwhile. */
export interface Numbering {
  readonly next: NextChange
  /** The state after the numbers that were taken; the one before if there were none. */
  readonly after: () => ChangeState
}

export function numberFrom(before: ChangeState): Numbering {
  let { latest, total } = before
  return {
    next(earlier) {
      latest += 1
      total += latest - earlier
      return latest
    },
    after: () => (latest === before.latest ? before : { latest, total }),
  }
}
