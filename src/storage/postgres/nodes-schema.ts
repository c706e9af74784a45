/** The nodes of a fleet. Times are the database's. */
export const nodesSchema = (schema: string): readonly string[] => [
  `CREATE TABLE ${schema}.nodes (
    id uuid PRIMARY KEY,
    name text COLLATE "C" NOT NULL,
    version text COLLATE "C" NOT NULL,
    schema_known int NOT NULL,
    started_at bigint NOT NULL,
    seen_at bigint NOT NULL
  )`,
]
