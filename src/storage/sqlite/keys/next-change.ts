/** The number of the latest change to any key or owner, 0 where there is none: an expression of SQL that reads the ends of two indexes. */
export const latestChange =
  '(SELECT max(coalesce((SELECT max(change) FROM keys), 0), coalesce((SELECT max(change) FROM owners), 0)))'

/** The number that the next change gets. */
export const nextChange: string = `(${latestChange} + 1)`
