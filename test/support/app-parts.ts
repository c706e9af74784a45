import { createJobService, type JobServiceOptions } from '../../src/jobs/create-job-service.ts'
import { createChangeRecorder } from '../../src/ledger/write/change-recorder.ts'
import { createEntryWriter } from '../../src/ledger/write/entry-writer.ts'
import type { ServedModel } from '../../src/models/model.ts'
import { createModelRuntime, type ModelRuntimeOptions } from '../../src/models/model-runtime.ts'
import { type Peppers, parsePeppers } from '../../src/secrets/peppers.ts'
import type { AppDeps } from '../../src/server/create-app.ts'
import { jobModelsOf } from '../../src/server/predict/job-models.ts'
import type { JobStore } from '../../src/storage/job-store.ts'
import { createInProcessJobStore } from '../../src/storage/sqlite/jobs/in-process-job-store.ts'
import { noTelemetry } from '../../src/telemetry/telemetry.ts'
import type { Ward } from '../../src/ward/ward.ts'
import { createWebhookSecretSeal } from '../../src/webhooks/secret.ts'
import { createTargetAddresses } from '../../src/webhooks/target-address.ts'
import { createWebhookService } from '../../src/webhooks/webhook-service.ts'
import { testPepper, writtenLedgerOf } from './open-test-ward.ts'

export interface AppPartsOptions {
  readonly models?: NonNullable<ModelRuntimeOptions['models']>
  readonly modelDeadline?: number
  /** What stands in for a loaded model. @default the model itself */
  readonly watch?: (model: ServedModel) => ServedModel
  readonly store?: JobStore
  readonly peppers?: Peppers
  /** Of webhooks. @default none */
  readonly allow?: readonly string[]
  readonly jobs?: Partial<JobServiceOptions>
}

/**
 * The server's app needs these beside a ward: loaded models, and jobs in memory. Sends no webhooks.
 */
export async function openAppParts(
  ward: Ward,
  options: AppPartsOptions = {},
): Promise<AppDeps & { readonly store: JobStore; readonly close: () => Promise<void> }> {
  const {
    store = createInProcessJobStore(),
    peppers = parsePeppers(testPepper, 'the test'),
    allow = [],
  } = options
  const runtime = await createModelRuntime({
    ...(options.models && { models: options.models }),
    ...(options.modelDeadline !== undefined && { deadlineMs: options.modelDeadline }),
  })
  const { watch = (model) => model } = options
  const models = new Map([...runtime.models].map(([name, model]) => [name, watch(model)]))
  const { clock } = ward
  const writer = createEntryWriter({
    ledger: writtenLedgerOf(ward),
    mode: 'before',
    sinks: undefined,
    telemetry: noTelemetry,
  })
  const changes = createChangeRecorder({ writer, clock, by: null, latestChange: async () => 1 })
  const jobs = createJobService({
    store,
    peppers,
    writer,
    models: jobModelsOf(models),
    clock,
    ...options.jobs,
  })
  const rules = { addresses: createTargetAddresses(allow), allowHttp: allow.length > 0 }
  const seal = createWebhookSecretSeal(peppers)
  return {
    ward,
    models,
    jobs,
    webhooks: createWebhookService({ outbox: store, seal, rules, clock, changes, writer }),
    store,
    async close() {
      await jobs.close({ graceMs: 0 })
      await runtime.close()
    },
  }
}
