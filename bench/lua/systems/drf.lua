-- djangorestframework-api-key behind peers/drf. What tells its keys apart is their prefix.

local caller = os.getenv("BENCH_CALLER")

return {
  verify = {
    request = function(_, secret)
      return wrk.format("GET", "/verify", { ["Authorization"] = "Api-Key " .. secret })
    end,
    answer = function(status, _, body)
      if status == 200 then
        return body:match('^{"valid":true,"prefix":"(%w+)"}$')
      end
    end,
  },

  create = {
    creates = true,
    request = function(_, _, n)
      local headers = { ["Authorization"] = "Api-Key " .. caller, ["Content-Type"] = "application/json" }
      return wrk.format("POST", "/create", headers, '{"name":"Key ' .. n .. '"}')
    end,
    answer = function(status, _, body)
      if status == 201 then
        return body:match('^{"name":"Key %d+","prefix":"(%w+)","key":"(%w+%.%w+)"}$')
      end
    end,
  },
}
