/**
 * The part of the script that counts windows: `limits/sliding-window.ts` in Lua, to the
 * millisecond.
 *
 * A window's cell: `capacity u8, shape u8, since f64, dies f64, latest f64, total u32, tail u32`,
 * and then `(when, count)…` of what is before the latest moment, whose count is the tail. The
 * capacity is how many single uses it holds, 0: any number, in slots. *When* is the millisecond or
 * the slot's number, modulo what its shape has room for; `latest` is in full. What was taken before
 * `since` gives nothing back: a reset was in between. Redis removes it when it dies.
 *
 * A kept window's, which is what its row has too: `capacity u8, latest f64, since f64, dies f64,
 * total u32`, and then `(when u32, count u32)…` of all.
 *
 * Lua reads every byte of each new text, so that a cell is as short as what it counts allows.
 */
export const shapeScript = `
local call, floor, ceil, max, min = redis.call, math.floor, math.ceil, math.max, math.min
local read, pack, sub, byte = struct.unpack, struct.pack, string.sub, string.byte
local two32, keys = 4294967296, KEYS

-- How whens and counts are written: of kept cells, of slots with few or more, of milliseconds.
local wide, slotted, manySlotted, exact, longExact = 1, 2, 3, 4, 5
local formats = { '<I4I4', '<BB', '<BI2', '<I2B', '<I4B' }
local sizes = { 8, 2, 3, 3, 5 }
local moduli = { two32, 256, 256, 65536, two32 }
local mosts = { two32 - 1, 255, 65535, 255, 255 }

local function shapeFor(capacity, span)
  if capacity == 0 then return slotted end
  if span <= 65536 then return exact end
  return longExact
end

`

/** What is not plain; see `script-plain.ts`. */
export const windowScript = `
local function ageAt(w, when)
  return (w.latest - when) % moduli[w.shape]
end

local function slotOf(time, span)
  return floor(time * 64 / span)
end

-- The first whole millisecond of a slot: a product below 2^53 and its 64th are exact.
local function startOf(slot, span)
  return ceil(slot * span / 64)
end

-- The same counts in another shape.
local function reshape(w, shape)
  local body, format, size, changed = w.body, formats[w.shape], sizes[w.shape], {}
  for from = 1, #body, size do
    local when, used = read(format, body, from)
    changed[#changed + 1] = pack(formats[shape], (w.latest - ageAt(w, when)) % moduli[shape], used)
  end
  w.shape, w.body = shape, table.concat(changed)
end

-- Adds what was used at the latest moment.
local function append(w, used)
  if used > mosts[w.shape] then
    if w.shape == slotted and used <= mosts[manySlotted] then reshape(w, manySlotted) else reshape(w, wide) end
  end
  w.body = w.body .. pack(formats[w.shape], w.latest % moduli[w.shape], used)
end

local function readWindow(raw)
  local w, tail, at = {}
  w.capacity, w.shape, w.since, w.dies, w.latest, w.total, tail, at = read('<BBdddI4I4', raw)
  w.body = sub(raw, at)
  if tail > 0 then append(w, tail) end
  return w
end

local function windowBytes(w)
  local body, tail, from = w.body, 0, #w.body - sizes[w.shape] + 1
  if from > 0 then
    local when, used = read(formats[w.shape], body, from)
    if ageAt(w, when) == 0 then
      body, tail = sub(body, 1, from - 1), used
    end
  end
  return pack('<BBdddI4I4', w.capacity, w.shape, w.since, w.dies or 0, w.latest, w.total, tail) .. body
end

local function readKeptWindow(raw, at)
  local w = { shape = wide, isKept = true }
  w.capacity, w.latest, w.since, w.dies, w.total, at = read('<BdddI4', raw, at)
  w.body = sub(raw, at)
  return w
end

local function keptWindowBytes(w)
  return pack('<BdddI4', w.capacity, w.latest, w.since, w.dies or 0, w.total) .. w.body
end

-- Drops what the window has left behind, the window ending at a moment.
local function advance(w, span, now)
  local latest, length, to = w.latest, span, now
  if w.capacity == 0 then
    to, length = slotOf(now, span), 65
  end
  to = max(latest, to)
  local body, from, total, passed = w.body, 1, w.total, to - latest
  local size, format, step = #body, formats[w.shape], sizes[w.shape]
  while from < size do
    local when, count = read(format, body, from)
    if ageAt(w, when) + passed < length then break end
    total = total - count
    from = from + step
  end
  if from > 1 then
    w.body = sub(body, from)
    w.total = total
  end
  w.latest = to
end

local function count(w, more)
  local body = w.body
  local from, sum = #body - sizes[w.shape] + 1, more
  if from > 0 then
    local last, before = read(formats[w.shape], body, from)
    if ageAt(w, last) == 0 then
      w.body = sub(body, 1, from - 1)
      sum = before + more
    end
  end
  append(w, sum)
  w.total = w.total + more
end

-- Goes on in another capacity: a larger one, unless nothing is used.
local function become(w, capacity, span, now)
  local shape = wide
  if not w.isKept then shape = shapeFor(capacity, span) end
  if w.total == 0 then
    local latest = w.latest
    if w.capacity == 0 then latest = startOf(latest, span) end
    latest = max(latest, now)
    if capacity == 0 then latest = slotOf(latest, span) end
    w.latest, w.body, w.shape = latest, '', shape
  elseif capacity == 0 then
    local latest, body, format, step, modulus = w.latest, w.body, formats[w.shape], sizes[w.shape], moduli[w.shape]
    w.body, w.total, w.shape = '', 0, shape
    for from = 1, #body, step do
      local when, used = read(format, body, from)
      w.latest = slotOf(latest - (latest - when) % modulus, span)
      count(w, used)
    end
    w.latest = slotOf(latest, span)
  end
  w.capacity = capacity
end

-- Whether what is used is counted otherwise from now on.
local function adopt(w, amount, span, now)
  local capacity = 0
  if amount <= 64 then capacity = amount end
  if capacity == w.capacity then return false end
  if w.total == 0 or (w.capacity > 0 and (capacity == 0 or capacity > w.capacity)) then
    become(w, capacity, span, now)
    return w.total > 0
  end
  return false
end

-- When the use is that has so many before it.
local function whenAt(w, before)
  local body, format = w.body, formats[w.shape]
  for from = 1, #body, sizes[w.shape] do
    local when, used = read(format, body, from)
    before = before - used
    if before < 0 then return when end
  end
end

-- Whether a cost fits; milliseconds until it does, or until more comes free. -1: never.
local function windowRoom(w, amount, span, now, cost)
  local total, latest = w.total, w.latest
  local over = total + cost - amount
  if w.capacity > 0 then
    local fits = cost == 0 or (over <= 0 and latest == now)
    if cost > amount then return fits, -1 end
    local leaving = over - 1
    if fits then leaving = max(0, total - amount) end
    if leaving >= 0 and total > 0 then
      return fits, latest - now + span - ageAt(w, whenAt(w, leaving))
    end
    if fits then return fits, 0 end
    return fits, latest - now
  end
  local fits = cost == 0 or (over <= 0 and latest == slotOf(now, span))
  if fits and total == 0 then return fits, 0 end
  if not fits and cost > amount then return fits, -1 end
  local leaving = over
  if fits then leaving = max(1, total + 1 - amount) end
  if leaving <= 0 then return fits, startOf(latest, span) - now end
  return fits, startOf(latest - ageAt(w, whenAt(w, leaving - 1)) + 65, span) - now
end

-- Counts more, whether there is room or not.
local function addToWindow(w, span, now, more)
  if w.capacity > 0 and w.total + more > w.capacity then become(w, 0, span, now) end
  more = min(more, two32 - 1 - w.total)
  if more > 0 then count(w, more) end
end

-- Takes back what was counted at a moment; returns how much that was.
local function giveBackToWindow(w, span, at, less)
  if at < w.since then return 0 end
  local counted, length = at, span
  if w.capacity == 0 then
    counted, length = slotOf(at, span), 65
  end
  local age = w.latest - counted
  if age < 0 or age >= length then return 0 end
  local body, format, step = w.body, formats[w.shape], sizes[w.shape]
  for from = 1, #body, step do
    local found, used = read(format, body, from)
    if ageAt(w, found) == age then
      local removed = min(less, used)
      local left = ''
      if used > removed then left = pack(format, found, used - removed) end
      w.body = sub(body, 1, from - 1) .. left .. sub(body, from + step)
      w.total = w.total - removed
      return removed
    end
  end
  return 0
end

-- A kept one whose latest moment lies ahead, by a clock that was set back: no time has passed.
local function withoutFuture(w, span, now)
  local to = now
  if w.capacity == 0 then to = slotOf(now, span) end
  local ahead = w.latest - to
  if ahead <= 0 then return end
  local shifted = {}
  for from = 1, #w.body, 8 do
    local when, used = read('<I4I4', w.body, from)
    shifted[#shifted + 1] = pack('<I4I4', (when - ahead) % two32, used)
  end
  w.body = table.concat(shifted)
  w.latest = to
end
`
