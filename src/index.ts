/**
 * Modelward's library: the guard, keys, and what every adapter shares. It loads no third-party package; frameworks have
 * subpaths of their own: `modelward/fastify`, `modelward/hono`, `modelward/express`, `modelward/web`.
 */
export type { Caller, CallerOf } from './core/caller.ts'
export type { Clock } from './core/clock.ts'
export type { Costs, Demand, GuardSetting } from './core/demand.ts'
export { Fault, type FaultCode, type FaultRow, faults } from './core/fault.ts'
export type { JobError, JobErrorCode, JobStatus } from './core/job.ts'
export type { KeptAnswer } from './core/kept-answer.ts'
export type { KeyRecord, SecretRecord } from './core/key-record.ts'
export type { KeyPage, KeyQuery, KeySort, OwnerPage, OwnerQuery } from './core/key-store.ts'
export {
  hasValidChecksum,
  isKeyId,
  type KeyEnvironment,
  type KeyFormat,
  keyPattern,
  type ParsedKey,
  parseKey,
} from './core/key-text.ts'
export type {
  Ledger,
  LedgerFilter,
  LedgerPage,
  LedgerQuery,
  LedgerReader,
  UsageQuery,
  UsageRow,
} from './core/ledger.ts'
export type { LedgerCheckpoint } from './core/ledger-checkpoint.ts'
export type { LedgerEvent } from './core/ledger-event.ts'
export type { LedgerEntry, LedgerRecord } from './core/ledger-record.ts'
export type {
  CalendarLimit,
  CalendarPeriod,
  ConcurrencyLimit,
  Limit,
  WindowLimit,
} from './core/limit.ts'
export type { LimitRefusal, LimitState, LimitUse } from './core/limiter.ts'
export type { OwnerRecord } from './core/owner-record.ts'
export { type Problem, type ProblemAnswer, problemMediaType, problemOf } from './core/problem.ts'
export {
  type InputError,
  Refusal,
  type RefusalCode,
  type RefusalOptions,
  type RefusalRow,
  refusals,
} from './core/refusal.ts'
export type { RequestHead } from './core/request-head.ts'
export {
  apiKeyCookie,
  apiKeyHeader,
  apiKeyQuery,
  bearer,
  type NamedSchemeOptions,
  type Scheme,
  type SchemeDescription,
  type SchemeOptions,
} from './core/scheme.ts'
export { SetupError, type SetupErrorCode } from './core/setup-error.ts'
export type { Standing } from './core/standing.ts'
export type { Usage } from './core/usage.ts'
export type { Verdict } from './core/verdict.ts'
export {
  createTestWard,
  type TestKey,
  type TestWard,
  type TestWardOptions,
  type TestWardParts,
} from './create-test-ward.ts'
export type { Ward, WardFor, WardWithJobs } from './create-ward.ts'
export {
  type DescribeGuardOptions,
  describeGuard,
  type GuardDescription,
  type GuardResponses,
  type ProblemResponse,
  type SecurityRequirement,
} from './gate/describe-guard.ts'
export type { Gate, SignIn } from './gate/gate.ts'
export type { Idempotency } from './gate/idempotency.ts'
export type { KeyFields } from './gate/key-fields.ts'
export type { IssuedKey, KeyService, NewImportedKey, NewKey, RotateOptions } from './gate/key-service.ts'
export { type KeyView, viewKey } from './gate/key-view.ts'
export type { LimitScope } from './gate/limit-uses.ts'
export type { LimitView } from './gate/limit-view.ts'
export type { LookAtLimits } from './gate/look-at-limits.ts'
export { NodeHead } from './gate/node-head.ts'
export type { OwnerService } from './gate/owner-service.ts'
export { type OwnerView, viewOwner } from './gate/owner-view.ts'
export type { LedgerAddresses } from './gate/record-address.ts'
export { stdoutSink } from './gate/stdout-sink.ts'
export { WebHead } from './gate/web-head.ts'
export type { LedgerMode, LedgerSink } from './gate/write-entry.ts'
export type { AnswerOnce, HeldName, PlainAnswer } from './jobs/answer-once.ts'
export {
  anyOwner,
  type JobChanger,
  type JobList,
  type JobListCursor,
  type JobListQuery,
  type JobOwner,
  type JobRequest,
  type JobService,
  type JobSnapshot,
  type SubmittedJob,
} from './jobs/job-service.ts'
export type { JobModel, JobModels } from './jobs/run-attempt.ts'
export type { DeliveryView } from './jobs/view-delivery.ts'
export type { JobView } from './jobs/view-job.ts'
export type { DeliveryListQuery, RotateSecretOptions, WebhookService } from './jobs/webhook-service.ts'
export type { LimitOptions } from './limit-options.ts'
export { type OpenModelwardOptions, openModelward } from './open-modelward.ts'
export type { WardJobsOptions, WardWebhooksOptions } from './ward-jobs-options.ts'
