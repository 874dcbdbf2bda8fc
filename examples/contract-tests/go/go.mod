module example.com/contract-tests

go 1.19
