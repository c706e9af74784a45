import type { Command } from 'commander'

/**
 * A command as `--help` lists it. Its file is loaded when it runs: `keys create` must not wait for
 * the server.
 */
export interface CommandEntry {
  /** Its words, such as `keys create`. */
  readonly path: string
  readonly summary: string
  /** Gives what adds arguments, options and action. */
  readonly load: () => Promise<(command: Command) => void>
}

export const commandIndex: readonly CommandEntry[] = [
  {
    path: 'serve',
    summary: 'Serve the model behind the guard',
    load: async () => (await import('./serve.ts')).defineServe,
  },
  {
    path: 'keys create',
    summary: 'Create a key and print it, once',
    load: async () => (await import('./keys/keys-create.ts')).defineKeysCreate,
  },
  {
    path: 'keys list',
    summary: 'List keys',
    load: async () => (await import('./keys/keys-list.ts')).defineKeysList,
  },
  {
    path: 'keys show',
    summary: 'Show a key, without its secret',
    load: async () => (await import('./keys/key-command.ts')).defineKeysShow,
  },
  {
    path: 'keys update',
    summary: 'Change what a key is called, may do and until when',
    load: async () => (await import('./keys/keys-update.ts')).defineKeysUpdate,
  },
  {
    path: 'keys rotate',
    summary: 'Give a key a new secret and print it, once',
    load: async () => (await import('./keys/keys-rotate.ts')).defineKeysRotate,
  },
  {
    path: 'keys revoke',
    summary: 'End a key for good, or all keys of an owner',
    load: async () => (await import('./keys/keys-revoke.ts')).defineKeysRevoke,
  },
  {
    path: 'keys disable',
    summary: 'Stop a key for a while',
    load: async () => (await import('./keys/key-command.ts')).defineKeysDisable,
  },
  {
    path: 'keys enable',
    summary: 'Let a disabled key work again',
    load: async () => (await import('./keys/key-command.ts')).defineKeysEnable,
  },
  {
    path: 'keys import',
    summary: 'Take over keys from elsewhere by their SHA-256',
    load: async () => (await import('./keys/keys-import.ts')).defineKeysImport,
  },
  {
    path: 'keys restored',
    summary: 'Accept keys that were restored from a backup, and end again what was ended since',
    load: async () => (await import('./keys/keys-restored.ts')).defineKeysRestored,
  },
  {
    path: 'owners set',
    summary: 'Set the limits that all keys of an owner share',
    load: async () => (await import('./keys/owner-command.ts')).defineOwnersSet,
  },
  {
    path: 'owners show',
    summary: 'Show the limits of an owner',
    load: async () => (await import('./keys/owner-command.ts')).defineOwnersShow,
  },
  {
    path: 'owners list',
    summary: 'List owners that have limits',
    load: async () => (await import('./keys/owners-list.ts')).defineOwnersList,
  },
  {
    path: 'limits explain',
    summary: 'Say why a request of a key would be refused, and when it would pass',
    load: async () => (await import('./limits/limits-explain.ts')).defineLimitsExplain,
  },
  {
    path: 'limits reset',
    summary: 'Forget what a key has used of its limits',
    load: async () => (await import('./limits/limits-reset.ts')).defineLimitsReset,
  },
  {
    path: 'limits reset-epoch',
    summary: 'Have a fleet forget what Redis has counted, after its database was restored',
    load: async () => (await import('./limits/limits-reset-epoch.ts')).defineLimitsResetEpoch,
  },
  {
    path: 'ledger query',
    summary: 'Find records of the ledger',
    load: async () => (await import('./ledger/ledger-query.ts')).defineLedgerQuery,
  },
  {
    path: 'ledger tail',
    summary: 'Show the last records of the ledger, and new ones as they come',
    load: async () => (await import('./ledger/ledger-tail.ts')).defineLedgerTail,
  },
  {
    path: 'ledger export',
    summary: 'Write records of the ledger as JSON Lines or CSV',
    load: async () => (await import('./ledger/ledger-export.ts')).defineLedgerExport,
  },
  {
    path: 'ledger checkpoint',
    summary: 'Sign how far the ledger has come',
    load: async () => (await import('./ledger/ledger-checkpoint.ts')).defineLedgerCheckpoint,
  },
  {
    path: 'ledger verify',
    summary: 'Check that no record was changed, removed, moved or put in',
    load: async () => (await import('./ledger/ledger-verify.ts')).defineLedgerVerify,
  },
  {
    path: 'usage',
    summary: 'Sum up what keys and owners have used',
    load: async () => (await import('./ledger/usage.ts')).defineUsage,
  },
  {
    path: 'jobs list',
    summary: 'List jobs',
    load: async () => (await import('./jobs/jobs-list.ts')).defineJobsList,
  },
  {
    path: 'jobs show',
    summary: 'Show a job, with its result',
    load: async () => (await import('./jobs/job-command.ts')).defineJobsShow,
  },
  {
    path: 'jobs cancel',
    summary: 'Cancel a job that has not ended',
    load: async () => (await import('./jobs/job-command.ts')).defineJobsCancel,
  },
  {
    path: 'jobs retry',
    summary: 'Put a dead or failed job back into the queue',
    load: async () => (await import('./jobs/job-command.ts')).defineJobsRetry,
  },
  {
    path: 'webhooks secret',
    summary: 'Give an owner a new webhook secret and print it, once',
    load: async () => (await import('./jobs/webhooks-secret.ts')).defineWebhooksSecret,
  },
  {
    path: 'webhooks deliveries',
    summary: 'List deliveries of webhooks',
    load: async () => (await import('./jobs/webhooks-deliveries.ts')).defineWebhooksDeliveries,
  },
  {
    path: 'webhooks retry',
    summary: 'Send a webhook again that was delivered or given up',
    load: async () => (await import('./jobs/webhooks-retry.ts')).defineWebhooksRetry,
  },
  {
    path: 'secrets create',
    summary: 'Draw the pepper and the signing key of a fleet, and print them',
    load: async () => (await import('./fleet/secrets-create.ts')).defineSecretsCreate,
  },
  {
    path: 'nodes list',
    summary: 'List the nodes of a fleet',
    load: async () => (await import('./fleet/nodes-list.ts')).defineNodesList,
  },
  {
    path: 'gateway routes',
    summary: 'List the open routes of model servers, and what is closed',
    load: async () => (await import('./gateway/gateway-routes.ts')).defineGatewayRoutes,
  },
  {
    path: 'upstreams list',
    summary: 'Show how the model servers behind the server stand',
    load: async () => (await import('./gateway/upstreams-list.ts')).defineUpstreamsList,
  },
  {
    path: 'migrate',
    summary: 'Bring a fleet’s database up to this version',
    load: async () => (await import('./fleet/migrate.ts')).defineMigrate,
  },
  {
    path: 'copy',
    summary: 'Copy a data folder into a fleet’s database',
    load: async () => (await import('./fleet/copy.ts')).defineCopy,
  },
  {
    path: 'config explain',
    summary: 'Show every setting, its value and where it came from',
    load: async () => (await import('./config-explain.ts')).defineConfigExplain,
  },
  {
    path: 'scan',
    summary: 'Find leaked keys in files',
    load: async () => (await import('./scan/scan.ts')).defineScan,
  },
  {
    path: 'doctor',
    summary: 'Check that a deployment is in order',
    load: async () => (await import('./doctor/doctor.ts')).defineDoctor,
  },
]

/** Commands that others are grouped under. */
export const commandGroups: Readonly<Record<string, string>> = {
  keys: 'Create, list, show and change keys',
  owners: 'Limit what all keys of an owner use together',
  limits: 'See how limits stand, and reset them',
  ledger: 'Read and verify the record of every decision and every change',
  jobs: 'List, show, cancel and retry calls that are answered later',
  webhooks: 'Sign messages about ended jobs, see what became of them, and send them again',
  secrets: 'Draw what a fleet has to be given in secret',
  nodes: 'See which servers are one deployment',
  gateway: 'See what is open of the model servers behind the guard',
  upstreams: 'See how the model servers behind the guard stand',
  config: 'See what is configured',
}
