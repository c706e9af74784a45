/** Better Auth's declarations name a module that only Bun has; nothing here uses it. */
declare module 'bun:sqlite' {
  export class Database {}
}
