import { expect, test } from 'vitest'
import { reportExports, type SpanExporter } from './reported-exporter.ts'

test('each export is told as it ended, and ends as it would have', () => {
  const error = new Error('connect ECONNREFUSED')
  const results = [{ code: 1, error }, { code: 1 }, { code: 0 }]
  const told: unknown[] = []
  const ended: unknown[] = []
  const exporter = reportExports(
    { export: (_spans, done) => done(results[ended.length] ?? { code: 0 }), shutdown: async () => {} },
    (fault) => told.push(fault),
  ) satisfies SpanExporter
  for (let each = 0; each < 3; each += 1) exporter.export([], (result) => ended.push(result))
  expect(told).toEqual([error, expect.any(Error), undefined])
  expect(ended).toEqual(results)
})
