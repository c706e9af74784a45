import type { Command } from 'commander'
export function defineServe(_command: Command): void {}
