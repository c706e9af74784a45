/** How many series there may still be. */
export interface SeriesBudget {
  /** Takes so many; false: there are not so many left, and none was taken. */
  readonly take: (series: number) => boolean
}

/** @param within another budget that these are taken of too */
export function createSeriesBudget(seriesMax: number, within?: SeriesBudget): SeriesBudget {
  let left = seriesMax
  return {
    take(series) {
      if (series > left || within?.take(series) === false) return false
      left -= series
      return true
    },
  }
}
