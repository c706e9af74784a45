/** SQL that names everything as `modelward.jobs`, for the schema of a deployment, quoted. */
export function inSchema(sql: string, schema: string): string {
  return sql.replaceAll('modelward.', () => `${schema}.`)
}
