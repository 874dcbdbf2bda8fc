-- hookstream-keys, and what speaks like it: the bare application and FastAPI's.

local caller, org, env = os.getenv("BENCH_CALLER"), os.getenv("BENCH_ORG"), os.getenv("BENCH_ENV")
local json = { ["X-API-Key"] = caller, ["Content-Type"] = "application/json" }

local function header(headers, wanted)
  for name, value in pairs(headers) do
    if name:lower() == wanted then
      return value
    end
  end
end

-- The whole of an answer, so that the peers do not get away with less.
local valid = '^{"valid":true,"code":"VALID","api_key":{"id":"(ak_%x+)","org_id":"' .. org
  .. '","env_id":"' .. env .. '","name":"K[%w ]+","key_prefix":"hs_live_%x%x%x%x","scopes":"%*",'
  .. '"expires_at":null,"metadata":{},"external_id":null,"rate_limit":null}}$'
local created = '^{"id":"(ak_%x+)","name":"Key %d+","key":"(hs_live_(%x%x%x%x)%x+)","key_prefix":'
  .. '"hs_live_(%x+)","scopes":"%*","created_at":"%d+%-%d+%-%d+T%d+:%d+:%d+%.%d+Z"}$'

return {
  verify = {
    request = function(_, secret)
      return wrk.format("POST", "/v1/auth/api-keys/verify", json, '{"key":"' .. secret .. '"}')
    end,
    answer = function(status, _, body)
      if status == 200 then
        return body:match(valid)
      end
    end,
  },

  authorize = {
    request = function(_, secret)
      return wrk.format("GET", "/v1/auth/authorize", { ["X-API-Key"] = secret })
    end,
    answer = function(status, headers, body)
      if status == 204 and body == "" and header(headers, "x-org-id") == org
        and header(headers, "x-env-id") == env and header(headers, "x-scopes") == "*" then
        return header(headers, "x-key-id")
      end
    end,
  },

  create = {
    creates = true,
    request = function(_, _, n)
      local body = '{"name":"Key %d","org_id":"%s","env_id":"%s"}'
      return wrk.format("POST", "/v1/auth/api-keys", json, body:format(n, org, env))
    end,
    answer = function(status, _, body)
      if status == 201 then
        local id, secret, begins, prefix = body:match(created)
        if id and #secret == 72 and begins == prefix then
          return id, secret
        end
      end
    end,
  },

  list = {
    request = function()
      local cursor = os.getenv("BENCH_CURSOR")
      local path = "/v1/auth/api-keys?limit=100" .. (cursor ~= "" and "&cursor=" .. cursor or "")
      return wrk.format("GET", path, json)
    end,
    answer = function(status, _, body)
      if status == 200 and body:match('^{"api_keys":%[{"id":"ak_%x+",.*"has_more":true}$') then
        local _, keys = body:gsub('{"id":"ak_', "")
        return keys == 100 or nil
      end
    end,
  },
}
