-- The load: one kind of work at one system, with every answer checked. wrk runs this; the
-- environment says what for:
--   BENCH_SYSTEM, BENCH_WORK   which of systems/*.lua, and which of its works
--   BENCH_KEYS                 a file with an id and a secret a line
--   BENCH_CALLER and others    what some works send
--   BENCH_RESULT               where `done` writes the figures, a name and a value a line
--
-- A work has `request(id, secret, n)`, which makes the request that is sent for a key, and
-- `answer(status, headers, body)`, which returns the id of the key that an answer is about, or nil
-- when the answer is not what it must be. A work with `creates` has an answer that also returns the
-- new key's secret. An answer that is about no key is `true`.

local here = debug.getinfo(1, "S").source:match("^@(.*/)") or "./"
local system = dofile(here .. "systems/" .. os.getenv("BENCH_SYSTEM") .. ".lua")
local work = system[os.getenv("BENCH_WORK")]

-- wrk runs a script once for each thread and once for itself; `done` reads these of each thread.
wrong, first_wrong, answered, created = 0, "", 0, ""

local ids, requests, balance, seen = {}, {}, {}, {}
local next_key, kept = 0, 0

local threads = {}
function setup(thread)
  table.insert(threads, thread)
end

function init()
  for line in io.lines(os.getenv("BENCH_KEYS")) do
    local id, secret = line:match("^(%S+) (%S+)$")
    table.insert(ids, id)
    table.insert(requests, work.request(id, secret, #ids))
    balance[id] = 0
  end
end

function request()
  next_key = next_key % #requests + 1
  if not work.creates then
    balance[ids[next_key]] = balance[ids[next_key]] + 1
  end
  return requests[next_key]
end

local function refuse(status, body)
  wrong = wrong + 1
  if first_wrong == "" then
    first_wrong = status .. " " .. body:sub(1, 300):gsub("%s+", " ")
  end
end

function response(status, headers, body)
  local id, secret = work.answer(status, headers, body)
  if id == nil then
    refuse(status, body)
    return
  end
  answered = answered + 1
  if id == true then
    return
  end
  if work.creates then
    -- No two may be the same, and some are verified afterwards.
    if seen[id] then
      refuse(status, body)
    elseif answered % 10 == 1 and kept < 20 then
      kept = kept + 1
      created = created .. id .. " " .. secret .. "|"
    end
    seen[id] = true
  elseif balance[id] == nil or balance[id] < 1 then
    -- A key that was not asked for, or that was answered more often than asked for.
    refuse(status, body)
  else
    balance[id] = balance[id] - 1
  end
end

function done(summary, latency)
  local file = assert(io.open(os.getenv("BENCH_RESULT"), "w"))
  local function write(name, value)
    file:write(name, " ", value, "\n")
  end
  local sums = { wrong = 0, answered = 0 }
  for _, thread in ipairs(threads) do
    for name, sum in pairs(sums) do
      sums[name] = sum + thread:get(name)
    end
    if thread:get("first_wrong") ~= "" then
      write("first_wrong", thread:get("first_wrong"))
    end
    write("created", thread:get("created"))
  end
  for name, sum in pairs(sums) do
    write(name, sum)
  end
  for name, number in pairs(summary.errors) do
    write("error_" .. name, number)
  end
  write("seconds", summary.duration / 1e6)
  write("p50", latency:percentile(50))
  write("p99", latency:percentile(99))
  write("p999", latency:percentile(99.9))
  file:close()
end
