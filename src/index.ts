/**
 * Modelward's library: the guard, keys, and what every adapter shares. It loads no third-party
 * package; frameworks have their own subpaths: `modelward/fastify`, `modelward/hono`,
 * `modelward/express`, `modelward/web`.
 */
import './core/runtime/require-node.ts'

export { Fault, type FaultCode, type FaultOptions, type FaultRow, faults } from './core/fault.ts'
export { type ProblemAnswer, problemOf } from './core/problem.ts'
export {
  type InputError,
  type Problem,
  problemMediaType,
  Refusal,
  type RefusalCode,
  type RefusalOptions,
  type RefusalRow,
  refusals,
} from './core/refusal.ts'
export type { RequestHead } from './core/request-head.ts'
export { SetupError, type SetupErrorCode } from './core/setup-error.ts'
export type { Clock, OverlapOptions, TimeInput } from './core/time.ts'
export type { Caller, CallerOf } from './guard/caller.ts'
export type { Demand, GuardSetting } from './guard/demand.ts'
export { describeGuard } from './guard/describe-guard.ts'
export type {
  DescribeGuardOptions,
  GuardDescription,
  GuardResponses,
  ProblemResponse,
  SecurityRequirement,
} from './guard/describe-schemes.ts'
export type { Reserve, UsageReservation } from './guard/exchange/reserve.ts'
export type { Guard, SignIn } from './guard/guard.ts'
export type { LimitStatus } from './guard/limit-status.ts'
export { NodeHead } from './guard/node/node-head.ts'
export {
  apiKeyCookie,
  apiKeyHeader,
  apiKeyQuery,
  bearer,
  type NamedSchemeOptions,
  type Scheme,
  type SchemeDescription,
  type SchemeOptions,
} from './guard/scheme.ts'
export type { Verdict } from './guard/verdict.ts'
export { WebHead } from './guard/web/web-head.ts'
export type { Idempotency } from './idempotency/answer-seal.ts'
export type { ReservedAnswer, StoredAnswer } from './idempotency/idempotency-store.ts'
export type { PlainAnswer, Reservation, RunOnce } from './idempotency/run-once.ts'
export type { JobError, JobErrorCode, JobStatus } from './jobs/job.ts'
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
export type { JobView } from './jobs/view-job.ts'
export type { JobModel, JobModels } from './jobs/worker/ask-model.ts'
export type { KeyAsker, KeyAuthority } from './keys/authority/key-authority.ts'
export type { KeyFields } from './keys/fields/key-fields.ts'
export type { KeyTimes } from './keys/fields/key-times.ts'
export type { NewKey } from './keys/fields/new-key.ts'
export type { OwnerService } from './keys/owners/owner-service.ts'
export type { KeyRecord, SecretRecord } from './keys/record/key-record.ts'
export type { KeyStatus } from './keys/record/key-status.ts'
export {
  hasValidChecksum,
  isKeyId,
  type KeyEnvironment,
  type KeyFormat,
  keyPattern,
  type ParsedKey,
  parseKey,
} from './keys/record/key-text.ts'
export type { OwnerRecord } from './keys/record/owner-record.ts'
export { type KeyView, type OwnerView, viewKey, viewOwner } from './keys/record/views.ts'
export type { NewImportedKey } from './keys/service/import-keys.ts'
export type { IssuedKey, RotateOptions } from './keys/service/issue-keys.ts'
export type { KeyListQuery } from './keys/service/key-list-query.ts'
export type { ForceOptions, KeyService } from './keys/service/key-service.ts'
export type { KeyPage, KeyQuery, KeySort, OwnerPage, OwnerQuery } from './keys/store/key-store.ts'
export type { LedgerCheckpoint } from './ledger/format/checkpoint.ts'
export type { LedgerEvent } from './ledger/format/event.ts'
export type { LedgerEntry, LedgerRecord } from './ledger/format/record.ts'
export type {
  Ledger,
  LedgerFilter,
  LedgerPage,
  LedgerQuery,
  LedgerReader,
  UsageGroup,
  UsageQuery,
  UsageRow,
} from './ledger/ledger.ts'
export type { OwnerPositions } from './ledger/query/owner-positions.ts'
export type { TimeBounds, WardLedger } from './ledger/query/ward-ledger.ts'
export type { LedgerMode, LedgerSink } from './ledger/write/entry-writer.ts'
export type { LedgerAddresses } from './ledger/write/record-address.ts'
export { stdoutSink } from './ledger/write/stdout-sink.ts'
export type {
  CalendarLimit,
  CalendarPeriod,
  ConcurrencyLimit,
  Limit,
  WindowLimit,
} from './limits/limit.ts'
export type { LimitView } from './limits/limit-view.ts'
export type { LimitRefusal, LimitScope, LimitState, LimitUse } from './limits/limiter.ts'
export type { ShadowListener } from './limits/shadow-listener.ts'
export type { Costs } from './limits/usage/costs.ts'
export type { RequestUsage, Usage } from './limits/usage/usage.ts'
export type { EventFields } from './telemetry/event-fields.ts'
export type { EventLevel, EventName } from './telemetry/event-row.ts'
export type {
  EventOrigin,
  OperationalEvent,
  OperationalEventListener,
  TelemetryListener,
} from './telemetry/telemetry.ts'
export type { IdentifiedListener } from './telemetry/telemetry-option.ts'
export type { TraceContext } from './telemetry/trace-context.ts'
export type {
  OuterSpanOptions,
  Span,
  SpanAttributes,
  SpanEnd,
  SpanKind,
  SpanOptions,
  Tracing,
} from './telemetry/tracing.ts'
export type { WardJobsOptions, WardWebhooksOptions } from './ward/jobs-options.ts'
export type { LimitOptions } from './ward/limit-options.ts'
export { type OpenModelwardOptions, type OpenOptions, openModelward } from './ward/open-modelward.ts'
export type { FleetPlaceOptions, FolderPlaceOptions, PlaceOptions } from './ward/place-options.ts'
export {
  createTestWard,
  type TestKey,
  type TestWard,
  type TestWardOptions,
  type TestWardParts,
} from './ward/test-ward.ts'
export type { Ward, WardFor, WardWithJobs } from './ward/ward.ts'
export type { DeliveryView } from './webhooks/view.ts'
export type { DeliveryListQuery, RotateSecretOptions, WebhookService } from './webhooks/webhook-service.ts'
