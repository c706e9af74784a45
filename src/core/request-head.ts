/** The part of a request that the guard looks at: its head, never its body. Each adapter makes one. */
export interface RequestHead {
  /** Every value of a header in the order sent, one entry per field line, not split at commas. `name` is lower case. */
  readonly headerValues: (name: string) => readonly string[]
  /**
   * Whether header lines of one name reach us joined by commas, as in the Fetch standard's `Headers`: a key with a comma in it is then
   * ambiguous, for it may be two.
   * @default false
   */
  readonly joinsLines?: boolean
  /** Every value of a query parameter, decoded, in the order sent. */
  readonly queryValues: (name: string) => readonly string[]
  /** The client's address as text, IPv4 or IPv6; undefined where there is none (a Unix socket). */
  readonly address: string | undefined
}
