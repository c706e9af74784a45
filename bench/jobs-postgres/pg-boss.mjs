// The types of pg-boss are not checked: they name one that it does not export.
export { PgBoss } from 'pg-boss'
