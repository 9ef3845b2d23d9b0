# templates.cmake - the table of the templates' files, for src/app/shop_init.c:
# cmake -DFROM=templates -DOUT=table.h -DFILES=a/desk.json;... -P templates.cmake
# One line a file: TEMPLATE(number, "name/file", "path", bytes). The assembler takes the bytes in.
set(table "/* Made by cmake/templates.cmake. */\n")
set(n 0)
foreach(file ${FILES})
  file(SIZE ${FROM}/${file} size)
  string(APPEND table "TEMPLATE(${n}, \"${file}\", \"${FROM}/${file}\", ${size})\n")
  math(EXPR n "${n} + 1")
endforeach()
file(WRITE ${OUT} "${table}")
