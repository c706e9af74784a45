/** The part of a request that the guard reads: its head, never its body. Adapters make it. */
export interface RequestHead {
  /**
   * Every value of a header as sent: one entry per field line, in order, not split at commas.
   * `name` is lower case.
   */
  readonly headerValues: (name: string) => readonly string[]
  /**
   * Whether header lines of one name arrive joined by commas, as in the Fetch standard's `Headers`.
   * A key with a comma in it is then ambiguous: it may be two.
   * @default false
   */
  readonly joinsLines?: boolean
  /** Every value of a query parameter, decoded, in the order sent. */
  readonly queryValues: (name: string) => readonly string[]
  /** The query as it was sent, without its question mark. @default not told */
  readonly query?: string
  /**
   * The client's address, IPv4 or IPv6, as `readClientAddress` gives it: `unknown` for a text that
   * is no address; undefined without one, as on a Unix socket.
   */
  readonly address: string | undefined
}
