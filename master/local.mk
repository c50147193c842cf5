# master
include master/allocator.mk
