import type { OpenLimitedApp } from '../limited-app.ts'

/** In JavaScript: Better Auth's own types name modules of other runtimes, which a strict check of libraries does not find. */
export const openBetterAuth: OpenLimitedApp
