import type { Client } from 'pg'

/**
 * Whether the process of the server that answers is the one that the connection was given: behind a
 * pooler it is not, and what LISTEN begins would outlive us there, on a connection of others.
 */
export async function isOwnBackend(client: Client): Promise<boolean> {
  const { processID } = client as Client & { readonly processID?: number }
  const { rows } = await client.query<{ readonly isOurs: boolean | null }>(
    'SELECT pg_backend_pid() = $1::bigint AS "isOurs"',
    [processID ?? null],
  )
  return rows[0]?.isOurs === true
}
