/** As much of pg-boss as is measured. */
export declare class PgBoss {
  constructor(options: {
    readonly connectionString: string
    readonly schema: string
    /** Connections. */
    readonly max: number
    readonly supervise: boolean
    readonly schedule: boolean
  })
  on(event: 'error', listener: (error: unknown) => void): void
  start(): Promise<unknown>
  createQueue(name: string): Promise<void>
  /** Gives the job's id; null where it was not accepted. */
  send(name: string, data: object): Promise<string | null>
  insert(name: string, jobs: readonly { readonly data: object }[]): Promise<unknown>
  fetch(name: string, options: { readonly batchSize: number }): Promise<readonly { readonly id: string }[]>
  complete(name: string, ids: readonly string[], data: object): Promise<unknown>
  stop(options: { readonly graceful: boolean }): Promise<void>
}
