// Fits a logistic regression to reviews.ts, written as ONNX: `node train.ts model.onnx`.
import { writeFileSync } from 'node:fs'
import { encodeOnnx, type Regression } from './encode-onnx.ts'
import { featureCount, featuresOf } from './features.ts'
import { reviews } from './reviews.ts'

const [, , file = 'model.onnx'] = process.argv
writeFileSync(file, encodeOnnx(fitRegression()))
console.log(`wrote ${file}`)

/** Gradient descent, one review at a time. The same reviews give the same model. */
function fitRegression(): Regression {
  const weights = new Float32Array(featureCount)
  let bias = 0
  const samples = reviews.map(({ text, isPositive }) => ({ features: featuresOf(text), isPositive }))
  for (let round = 0; round < 200; round += 1) {
    for (const { features, isPositive } of samples) {
      const sum = features.reduce((total, value, index) => total + value * (weights[index] ?? 0), bias)
      const step = 0.5 * (Number(isPositive) - 1 / (1 + Math.exp(-sum)))
      for (const [index, value] of features.entries()) weights[index] = (weights[index] ?? 0) + step * value
      bias += step
    }
  }
  return { weights, bias }
}
