/** Milliseconds since the epoch, UTC. A parameter wherever time matters, so that a test can move it. */
export type Clock = () => number
