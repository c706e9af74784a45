/**
 * Express 4 under the name it is installed by here. It has the shape of 5 wherever these tests
 * touch it.
 */
declare module 'express-4' {
  export { default } from 'express'
}
