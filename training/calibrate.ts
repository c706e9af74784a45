import { sigmoid } from '../src/models/sentiment/sentiment-model.ts'

/**
 * Fits p = σ(Σ coefficient · column) by Newton's method with step halving, which cannot diverge.
 * With one column of scores this is temperature scaling (Guo et al., ICML 2017); with an additional
 * column of ones, Platt scaling (Platt, "Probabilistic Outputs for Support Vector Machines", 1999).
 *
 * @param columns one number per row each, in logits
 * @param answers 1 for yes, 0 for no; one per row
 * @returns one coefficient per column
 */
export function fitCoefficients(columns: readonly Float64Array[], answers: ArrayLike<number>): number[] {
  let coefficients = columns.map(() => 0)
  let loss = lossOf(columns, answers, coefficients)
  for (let round = 0; round < roundsMax; round++) {
    const step = newtonStep(columns, answers, coefficients)
    let share = 1
    let next = coefficients
    let nextLoss = loss
    for (; share > shareMin; share /= 2) {
      next = coefficients.map((coefficient, index) => coefficient - share * (step[index] as number))
      nextLoss = lossOf(columns, answers, next)
      if (nextLoss <= loss) break
    }
    const gain = loss - nextLoss
    if (!(gain >= 0)) break
    coefficients = next
    loss = nextLoss
    if (gain < gainMin) break
  }
  return coefficients
}

const roundsMax = 100
const shareMin = 1e-6
/** Mean loss per row below which another round changes no printed digit. */
const gainMin = 1e-12

/** A trace of ridge keeps the system solvable when the columns are few, equal or empty. */
const ridge = 1e-6

function lossOf(
  columns: readonly Float64Array[],
  answers: ArrayLike<number>,
  coefficients: readonly number[],
): number {
  let loss = ridge * coefficients.reduce((sum, coefficient) => sum + coefficient * coefficient, 0)
  for (let row = 0; row < answers.length; row++) {
    const logit = logitAt(columns, coefficients, row)
    const towards = answers[row] === 1 ? logit : -logit
    // log(1 + e^−x), without overflow where x is far below zero
    loss += Math.max(-towards, 0) + Math.log1p(Math.exp(-Math.abs(towards)))
  }
  return loss / Math.max(1, answers.length)
}

function newtonStep(
  columns: readonly Float64Array[],
  answers: ArrayLike<number>,
  coefficients: readonly number[],
): number[] {
  const gradient = coefficients.map((coefficient) => 2 * ridge * coefficient)
  const curvature = columns.map((_, index) => columns.map((__, other) => (index === other ? 2 * ridge : 0)))
  for (let row = 0; row < answers.length; row++) {
    const probability = sigmoid(logitAt(columns, coefficients, row))
    const slope = probability - (answers[row] as number)
    const bend = probability * (1 - probability)
    columns.forEach((column, index) => {
      const value = column[row] as number
      gradient[index] = (gradient[index] as number) + slope * value
      const line = curvature[index] as number[]
      columns.forEach((other, at) => {
        line[at] = (line[at] as number) + bend * value * (other[row] as number)
      })
    })
  }
  return solve(curvature, gradient)
}

function logitAt(columns: readonly Float64Array[], coefficients: readonly number[], row: number): number {
  let logit = 0
  for (let index = 0; index < columns.length; index++) {
    logit += (coefficients[index] as number) * ((columns[index] as Float64Array)[row] as number)
  }
  return logit
}

/** Gauss and Jordan, without pivoting: the matrix is symmetric and positive definite. */
function solve(matrix: readonly (readonly number[])[], right: readonly number[]): number[] {
  const rows = matrix.map((line, index) => [...line, right[index] as number])
  rows.forEach((pivotRow, pivot) => {
    const divisor = pivotRow[pivot] as number
    rows.forEach((row, index) => {
      if (index === pivot) return
      const factor = (row[pivot] as number) / divisor
      row.forEach((value, column) => {
        row[column] = value - factor * (pivotRow[column] as number)
      })
    })
  })
  return rows.map((row, index) => (row.at(-1) as number) / (row[index] as number))
}
