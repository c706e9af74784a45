import type { Connection, Query, QueryConfig } from 'pg'

/**
 * What the driver calls on a statement, with what the server answers. Its types name neither these
 * nor the parts below: `pg` keeps them for statements of one's own, as `pg-cursor` is.
 */
interface Answered {
  submit: (connection: Connection) => unknown
  handleDataRow: (message: unknown) => void
  handleCommandComplete: (message: unknown, connection: Connection) => void
}

/** The parts that a statement is sent in. */
interface Sends {
  readonly parse: (part: { readonly text: string }) => void
  readonly bind: (part: object) => void
  readonly execute: (part: object) => void
}

/**
 * Has the server end a statement that takes longer: one that a client gives up would go on there,
 * wait for its lock, and hold its connection. A setting stands before it, in the same transaction,
 * which no statement begins and which ends with this one: one way and one answer, and nothing
 * outlives it, so a pooler may stand between.
 *
 * @param query made with `queryMode: 'extended'`, by which it ends in the one `Sync` of both
 * @param deadlineMs milliseconds, from where the server begins with it
 */
export function boundStatement(query: Query, deadlineMs: number): QueryConfig {
  const answered = query as unknown as Answered
  const { submit, handleDataRow, handleCommandComplete } = answered
  let isSet = false
  answered.submit = (connection) => {
    const send = connection as unknown as Sends
    connection.stream.cork()
    try {
      send.parse({ text: `SELECT pg_catalog.set_config('statement_timeout', '${deadlineMs}', true)` })
      send.bind({})
      send.execute({})
      return submit.call(query, connection)
    } finally {
      connection.stream.uncork()
    }
  }
  answered.handleDataRow = (message) => {
    if (isSet) handleDataRow.call(query, message)
  }
  answered.handleCommandComplete = (message, connection) => {
    if (isSet) handleCommandComplete.call(query, message, connection)
    isSet = true
  }
  // The driver takes a statement in the place of what one is made of.
  return query as unknown as QueryConfig
}
